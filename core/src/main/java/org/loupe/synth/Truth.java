package org.loupe.synth;

import java.nio.file.Path;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.loupe.activations.SafetensorsRows;
import org.loupe.io.BadInput;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Matrix;

/**
 * What made the rows.
 *
 * @param directions of the true features, [F × d]
 * @param activity when they fired; null where only the directions are known
 */
public record Truth(Matrix directions, @Nullable Activity activity) {
    private static final String STARTS = "row_starts";

    /**
     * When features fire.
     *
     * @param probabilities of each feature, [F]
     * @param parents parent of each feature, −1 where it has none, [F]
     * @param codes true activations of the rows to evaluate on
     */
    public record Activity(float[] probabilities, int[] parents, Codes codes) {}

    /** Directions drawn alike from the sphere, [rows × cols]. */
    public static Matrix unitRows(int rows, int cols, SplittableRandom random) {
        Matrix all = Matrix.zeros(rows, cols);
        double[] row = new double[cols];
        for (int r = 0; r < rows; r++) {
            double norm = 0;
            for (int c = 0; c < cols; c++) {
                row[c] = random.nextGaussian();
                norm += row[c] * row[c];
            }
            for (int c = 0; c < cols; c++) {
                all.data()[all.offset(r) + c] = (float) (row[c] / Math.sqrt(norm));
            }
        }
        return all;
    }

    /** Directions alone. */
    public static Truth of(Matrix directions) {
        return new Truth(directions, null);
    }

    /**
     * Reads what {@link #write} wrote, or any file with the directions as its only two-dimensional tensor of floats.
     *
     * @throws BadInput where the tensors do not fit each other
     */
    public static Truth read(Path file) {
        try (Safetensors tensors = Safetensors.open(file)) {
            if (tensors.entries().containsKey(STARTS)) {
                return new Truth(directions(file, "directions"), activity(tensors));
            }
        }
        return of(directions(file, null));
    }

    private static Matrix directions(Path file, @Nullable String key) {
        try (SafetensorsRows rows = SafetensorsRows.open(file, key)) {
            if (rows.rows() * rows.width() > Integer.MAX_VALUE - 8) {
                throw new BadInput(rows.name() + ": " + rows.rows() + " directions × " + rows.width()
                        + " are more than one tensor in memory holds");
            }
            Matrix all = Matrix.zeros((int) rows.rows(), rows.width());
            rows.read(0, all.rows(), all, 0);
            return all;
        }
    }

    private static Activity activity(Safetensors tensors) {
        long features = tensors.entry("directions").shape().getFirst();
        int[] parents = tensors.entry("parent").requireShape(features).ints();
        for (int i = 0; i < parents.length; i++) {
            if (parents[i] < -1 || parents[i] >= features || parents[i] == i) {
                throw BadInput.in(
                        tensors.file(),
                        "tensor 'parent': feature " + i + " has parent " + parents[i]
                                + ", expected another feature below " + features + ", or -1");
            }
        }
        Safetensors.Entry index = tensors.entry("indices");
        Codes codes = codes(
                tensors,
                tensors.entry(STARTS).ints(),
                index.ints(),
                tensors.entry("values").requireShape(index.size()).floats(),
                features);
        return new Activity(
                tensors.entry("probabilities").requireShape(features).floats(), parents, codes);
    }

    private static Codes codes(Safetensors tensors, int[] starts, int[] index, float[] value, long features) {
        if (starts.length == 0 || starts[0] != 0 || starts[starts.length - 1] != index.length) {
            throw BadInput.in(
                    tensors.file(),
                    "tensor '" + STARTS + "' does not go from 0 to the number of entries, " + index.length);
        }
        for (int r = 0; r + 1 < starts.length; r++) {
            if (starts[r] > starts[r + 1] || starts[r + 1] > index.length) {
                throw BadInput.in(tensors.file(), "tensor '" + STARTS + "' falls after row " + r);
            }
            for (int e = starts[r]; e < starts[r + 1]; e++) {
                if (index[e] < 0 || index[e] >= features || (e > starts[r] && index[e] <= index[e - 1])) {
                    throw BadInput.in(
                            tensors.file(),
                            "tensor 'indices': row " + r + " has feature " + index[e]
                                    + ", expected features ascending and below " + features);
                }
                if (value[e] == 0 || !Float.isFinite(value[e])) {
                    throw BadInput.in(
                            tensors.file(),
                            "tensor 'values': row " + r + " has " + value[e] + ", expected a finite number, not 0");
                }
            }
        }
        return new Codes(starts, index, value);
    }

    /** Writes the file, aside first: {@code directions} and, where there is an activity, its tensors. */
    public void write(Path file) {
        SafetensorsWriter writer = new SafetensorsWriter().f32("directions", directions);
        if (activity != null) {
            Codes codes = activity.codes;
            writer.f32("probabilities", activity.probabilities, activity.probabilities.length)
                    .i32("parent", activity.parents, activity.parents.length)
                    .i32(STARTS, codes.starts(), codes.starts().length)
                    .i32("indices", codes.index(), codes.entries())
                    .f32("values", codes.value(), codes.entries());
        }
        writer.write(file);
    }
}
