package org.loupe.train;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.loupe.io.BadInput;
import org.loupe.io.Dtype;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.tensor.Matrix;

/**
 * A {@link TrainState} as one safetensors file: weights, moments, counters and maps of rows (doubles by their bits, as I64) as tensors;
 * step, scales, variances and the controller's memory as metadata, doubles in hexadecimal so that they come back to the bit. One file, so it is there whole or not at all.
 */
final class Checkpoint {
    static final String FILE = "checkpoint.safetensors";

    private static final String TARGET = "target_";
    private static final String MAP = "map_";
    private static final String RESPONSE = "response";
    private static final String CENTRE = "centre";
    private static final String GRADIENT_SCALE = "gradient_scale";
    private static final String LAST_FIRED = "last_fired";

    private Checkpoint() {}

    static void write(Path file, TrainState state) {
        SafetensorsWriter out = new SafetensorsWriter();
        add(out, "", state);
        out.write(file);
    }

    /** Several states in one file, each under a name of its own. */
    static void write(Path file, Map<String, TrainState> states) {
        SafetensorsWriter out = new SafetensorsWriter();
        states.forEach((name, state) -> add(out, name + ".", state));
        out.write(file);
    }

    private static void add(SafetensorsWriter out, String prefix, TrainState state) {
        out.metadata(prefix + "step", Long.toString(state.step()))
                .metadata(
                        prefix + "control",
                        Arrays.stream(state.control())
                                .mapToObj(Double::toHexString)
                                .collect(Collectors.joining(" ")));
        write(out, prefix, state.statistics().inputs());
        Matrix response = state.statistics().response();
        if (response.rows() > 0) {
            write(out, prefix + TARGET, state.statistics().targets());
            out.f32(prefix + RESPONSE, response);
        }
        out.metadata(
                prefix + GRADIENT_SCALE, Double.toHexString(state.statistics().gradientScale()));
        state.arrays().forEach((name, values) -> out.f32(prefix + name, values, values.length));
        out.i64(prefix + LAST_FIRED, state.lastFired(), state.lastFired().length);
    }

    private static void write(SafetensorsWriter out, String prefix, InputStatistics statistics) {
        RowMap map = statistics.map();
        if (!map.isScalar()) {
            doubles(out, prefix + MAP + "factor", map.factor());
            doubles(out, prefix + MAP + "shift", map.shift());
            doubles(out, prefix + MAP + "matrix", map.matrix());
            doubles(out, prefix + MAP + "inverse", map.inverse());
        }
        out.metadata(prefix + "scale", Double.toHexString(map.scale()))
                .metadata(prefix + "variance", Double.toHexString(statistics.variance()))
                .f32(prefix + CENTRE, statistics.centre(), statistics.centre().length);
    }

    private static void doubles(SafetensorsWriter out, String name, double[] values) {
        out.i64(
                name,
                Arrays.stream(values).mapToLong(Double::doubleToRawLongBits).toArray(),
                values.length);
    }

    static TrainState read(Path file) {
        try (Safetensors in = Safetensors.open(file)) {
            return read(in, "");
        }
    }

    /** The state of that name in a file of several. */
    static TrainState read(Path file, String name) {
        try (Safetensors in = Safetensors.open(file)) {
            return read(in, name + ".");
        }
    }

    private static TrainState read(Safetensors in, String prefix) {
        Map<String, float[]> arrays = new LinkedHashMap<>();
        for (Safetensors.Entry entry : in.entries().values()) {
            if (entry.name().startsWith(prefix) && entry.shape().size() == 1 && entry.dtype() == Dtype.F32) {
                arrays.put(entry.name().substring(prefix.length()), entry.floats());
            }
        }
        return new TrainState(
                (long) number(in, prefix + "step"),
                allStatistics(in, prefix),
                arrays,
                Arrays.stream(in.metadata().getOrDefault(prefix + "control", "").split(" "))
                        .mapToDouble(text -> number(in, prefix + "control", text))
                        .toArray(),
                in.entry(prefix + LAST_FIRED).longs());
    }

    private static DataStatistics allStatistics(Safetensors in, String prefix) {
        InputStatistics inputs = statistics(in, prefix);
        if (!in.entries().containsKey(prefix + RESPONSE)) {
            return DataStatistics.same(inputs).withGradients(number(in, prefix + GRADIENT_SCALE));
        }
        InputStatistics targets = statistics(in, prefix + TARGET);
        int dOut = targets.centre().length;
        int dIn = inputs.centre().length;
        return new DataStatistics(
                inputs,
                targets,
                new Matrix(
                        dOut,
                        dIn,
                        in.entry(prefix + RESPONSE).requireShape(dOut, dIn).floats()),
                0);
    }

    private static InputStatistics statistics(Safetensors in, String prefix) {
        float[] centre = in.entry(prefix + CENTRE).floats();
        return new InputStatistics(map(in, prefix, centre.length), number(in, prefix + "variance"), centre);
    }

    private static RowMap map(Safetensors in, String prefix, int d) {
        double scale = number(in, prefix + "scale");
        return !in.entries().containsKey(prefix + MAP + "factor")
                ? RowMap.scalar(scale, d)
                : new RowMap(
                        scale,
                        doubles(in, prefix + MAP + "factor"),
                        doubles(in, prefix + MAP + "shift"),
                        doubles(in, prefix + MAP + "matrix"),
                        doubles(in, prefix + MAP + "inverse"));
    }

    private static double[] doubles(Safetensors in, String name) {
        return Arrays.stream(in.entry(name).longs())
                .mapToDouble(Double::longBitsToDouble)
                .toArray();
    }

    private static double number(Safetensors in, String key) {
        return number(in, key, in.metadata().getOrDefault(key, ""));
    }

    private static double number(Safetensors in, String key, String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new BadInput(in.file() + ": metadata '" + key + "' is '" + text + "', expected numbers", e);
        }
    }
}
