package org.loupe.train;

import java.util.Arrays;
import org.loupe.tensor.Workers;

/**
 * Where the entries of each block of {@value #LATENTS} latents begin in each row, for entries that ascend by latent. One thread takes a
 * block and goes through the rows in order, so that sums by latent have one order and need no atomics.
 */
final class LatentBlocks {
    /** So many that the entries of one row and block are several lines of a cache, and few enough for their gradients to stay in one. */
    static final int LATENTS = 128;

    private static final int CHUNK = 64;

    private int blocks;
    private int rows;

    /** Block b of row r has places starts[r · (blocks + 1) + b] to starts[r · (blocks + 1) + b + 1] − 1. */
    private int[] starts = new int[0];

    /** What is done with one entry. */
    @FunctionalInterface
    interface Entry {
        /**
         * @param e its place
         * @return what is summed
         */
        double at(int e);
    }

    /** Cuts a batch's entries. */
    void cut(int newRows, int[] cuts, int[] index, int latents, Workers workers) {
        rows = newRows;
        blocks = (latents + LATENTS - 1) / LATENTS;
        int size = rows * (blocks + 1);
        if (starts.length < size) {
            starts = new int[size];
        }
        workers.forEach(rows, CHUNK, (from, to, worker) -> {
            for (int r = from; r < to; r++) {
                int at = r * (blocks + 1);
                int e = cuts[r];
                for (int b = 0; b < blocks; b++) {
                    starts[at + b] = e;
                    while (e < cuts[r + 1] && index[e] < (b + 1) * LATENTS) {
                        e++;
                    }
                }
                starts[at + blocks] = e;
            }
        });
    }

    /** First place of a block's entries in a row. */
    int from(int row, int block) {
        return starts[row * (blocks + 1) + block];
    }

    /** Place behind a block's entries in a row. */
    int to(int row, int block) {
        return starts[row * (blocks + 1) + block + 1];
    }

    /** Goes through all entries, those of one latent by one thread and in the order of rows; the sum of what they give. */
    double sum(Workers workers, Entry entry) {
        double[] sums = new double[blocks];
        workers.forEach(blocks, 1, (block, end, worker) -> {
            double sum = 0;
            for (int r = 0; r < rows; r++) {
                for (int e = from(r, block); e < to(r, block); e++) {
                    sum += entry.at(e);
                }
            }
            sums[block] = sum;
        });
        return Arrays.stream(sums).sum();
    }
}
