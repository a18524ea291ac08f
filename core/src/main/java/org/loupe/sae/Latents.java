package org.loupe.sae;

import java.util.Arrays;
import java.util.Objects;

/**
 * The active latents of a batch in compressed sparse rows: row r owns the entries {@code starts[r]} to {@code starts[r + 1]},
 * ordered by latent.
 *
 * @param starts [rows + 1], ascending from 0
 * @param index latent of each entry, at least {@code starts[rows]} of them
 * @param value activation of each entry, same order
 * @param latents width of the dictionary; every index is below it
 */
public record Latents(int[] starts, int[] index, float[] value, int latents) {
    public Latents {
        Objects.requireNonNull(starts, "starts");
        Objects.requireNonNull(index, "index");
        Objects.requireNonNull(value, "value");
        int entries = starts[starts.length - 1];
        if (starts[0] != 0 || entries > index.length || entries > value.length) {
            throw new IllegalArgumentException("latents: " + entries + " entries declared, " + index.length
                    + " indices and " + value.length + " values given");
        }
    }

    public int rows() {
        return starts.length - 1;
    }

    /** The activation of a latent on a row; 0 where it is silent. */
    public float activation(int row, int latent) {
        int at = Arrays.binarySearch(index, starts[row], starts[row + 1], latent);
        return at < 0 ? 0 : value[at];
    }

    /** Number of entries of all rows. */
    public int entries() {
        return starts[starts.length - 1];
    }
}
