package org.loupe.sae;

/**
 * The k winners of each row of a batch, in fixed-stride arrays that are used again from batch to batch: row r owns places
 * r·k to r·k + count[r] − 1, ordered by latent. Only positive pre-activations win, so count may be below k.
 */
public final class TopKRows {
    final int k;
    int rows;
    int[] count = new int[0];
    int[] index = new int[0];
    float[] value = new float[0];

    public TopKRows(int k) {
        this.k = k;
    }

    void resize(int newRows) {
        rows = newRows;
        if (count.length < newRows) {
            count = new int[newRows];
            index = new int[Math.multiplyExact(newRows, k)];
            value = new float[newRows * k];
        }
    }

    public int k() {
        return k;
    }

    public int rows() {
        return rows;
    }

    /** Number of winners of each row. */
    public int[] count() {
        return count;
    }

    /** Latent of each place. */
    public int[] index() {
        return index;
    }

    /** Activation of each place. */
    public float[] value() {
        return value;
    }
}
