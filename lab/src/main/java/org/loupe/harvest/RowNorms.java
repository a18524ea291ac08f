package org.loupe.harvest;

import java.util.List;
import java.util.stream.IntStream;
import org.loupe.tensor.Matrix;

/** Norms of rows, by which attention sinks are told from the rest. */
public final class RowNorms {
    private RowNorms() {}

    /** Whether a row's norm is within the limit at every hook point; a limit of 0 is none. */
    public static boolean isWithin(List<Matrix> parts, int row, List<Double> normLimits) {
        return IntStream.range(0, parts.size())
                .allMatch(p -> normLimits.get(p) == 0 || of(parts.get(p), row) <= normLimits.get(p));
    }

    static double of(Matrix x, int row) {
        double squares = 0;
        for (int c = 0; c < x.cols(); c++) {
            squares += (double) x.at(row, c) * x.at(row, c);
        }
        return Math.sqrt(squares);
    }
}
