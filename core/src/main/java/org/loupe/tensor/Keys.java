package org.loupe.tensor;

/**
 * (value, index) pairs as longs whose natural order is by value, and among equal values the lower index first: the value's
 * bits, made monotonic, above the complement of the index.
 */
public final class Keys {
    private Keys() {}

    /** The pair as a key; the value is not NaN. */
    public static long of(float value, int index) {
        int bits = Float.floatToRawIntBits(value + 0.0f);
        int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
        return (long) ordered << 32 | (~index & 0xFFFF_FFFFL);
    }

    /** The pair's value. */
    public static float value(long key) {
        int ordered = (int) (key >> 32);
        return Float.intBitsToFloat(ordered ^ ((ordered >> 31) & Integer.MAX_VALUE));
    }

    /** The pair's index. */
    public static int index(long key) {
        return ~(int) key;
    }

    /**
     * Moves the k largest of the first n keys to the front, the smallest of them to place k − 1 (Hoare's selection, expected
     * linear time).
     *
     * @param k from 1 to n
     */
    public static void selectLargest(long[] keys, int n, int k) {
        int low = 0;
        int high = n - 1;
        while (low < high) {
            long pivot = median(keys[low], keys[(low + high) >>> 1], keys[high]);
            int i = low;
            int j = high;
            while (i <= j) {
                while (keys[i] > pivot) {
                    i++;
                }
                while (keys[j] < pivot) {
                    j--;
                }
                if (i <= j) {
                    long swap = keys[i];
                    keys[i++] = keys[j];
                    keys[j--] = swap;
                }
            }
            if (k - 1 <= j) {
                high = j;
            } else if (k - 1 >= i) {
                low = i;
            } else {
                break;
            }
        }
        int smallest = 0;
        for (int i = 1; i < k; i++) {
            if (keys[i] < keys[smallest]) {
                smallest = i;
            }
        }
        long swap = keys[smallest];
        keys[smallest] = keys[k - 1];
        keys[k - 1] = swap;
    }

    private static long median(long a, long b, long c) {
        return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
    }
}
