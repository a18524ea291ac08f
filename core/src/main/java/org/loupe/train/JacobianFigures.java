package org.loupe.train;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How sparse the Jacobians of some rows are, over pairs of latents: of k_x times k_y a row, k the most that are active in one; a row with fewer
 * counts its missing pairs as 0.
 *
 * @param l1 mean |J_ij|
 * @param above share of |J_ij| > {@value #LARGE} (Farnik et al. 2025, arXiv 2502.18147)
 * @param evenness (mean |J_ij|)² / mean J_ij²: 1 where all are as large, 2/π where they are Gaussian, towards 0 the fewer carry all; it
 *     does not change with the unit of latents
 */
public record JacobianFigures(double l1, double above, double evenness) {
    static final double LARGE = 0.01;

    /** The figures by name. */
    public Map<String, Number> toMap() {
        Map<String, Number> map = new LinkedHashMap<>();
        map.put("jacobian_l1", l1);
        map.put("jacobian_above", above);
        map.put("jacobian_evenness", evenness);
        return map;
    }

    /** Sums over pairs, to be added up in one order. */
    static final class Sums {
        private long rows;
        private int readers;
        private int writers;
        private double size;
        private double squares;
        private long large;

        void add(float j) {
            double absolute = Math.abs(j);
            size += absolute;
            squares += absolute * absolute;
            large += absolute > LARGE ? 1 : 0;
        }

        /**
         * Counts rows.
         *
         * @param mostReaders the most that are active in one of them, in the input's SAE
         * @param mostWriters and in the output's
         */
        void count(long more, int mostReaders, int mostWriters) {
            rows += more;
            readers = Math.max(readers, mostReaders);
            writers = Math.max(writers, mostWriters);
        }

        void add(Sums other) {
            count(other.rows, other.readers, other.writers);
            size += other.size;
            squares += other.squares;
            large += other.large;
        }

        JacobianFigures figures() {
            double n = Math.max(1, rows * readers * writers);
            return new JacobianFigures(size / n, large / n, squares > 0 ? size * size / n / squares : 0);
        }
    }
}
