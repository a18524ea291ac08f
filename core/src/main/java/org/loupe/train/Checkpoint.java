package org.loupe.train;

import java.nio.file.Path;
import org.loupe.io.BadInput;
import org.loupe.io.Safetensors;
import org.loupe.io.SafetensorsWriter;
import org.loupe.sae.Activation;
import org.loupe.sae.Sae;
import org.loupe.tensor.Matrix;

/**
 * A {@link TrainState} as one safetensors file: weights, moments and counters as tensors; step, scale and variance as metadata,
 * doubles in hexadecimal so that they come back to the bit. One file, so it is there whole or not at all.
 */
final class Checkpoint {
    static final String FILE = "checkpoint.safetensors";

    private Checkpoint() {}

    static void write(Path file, TrainState state) {
        Sae sae = state.sae();
        SafetensorsWriter out = new SafetensorsWriter()
                .metadata("step", Long.toString(state.step()))
                .metadata("scale", Double.toHexString(state.statistics().scale()))
                .metadata("variance", Double.toHexString(state.statistics().variance()))
                .f32("centre", state.statistics().centre(), sae.dOut())
                .f32("encoder", sae.encoder())
                .f32("encoder_bias", sae.encoderBias(), sae.latents())
                .f32("decoder", sae.decoder())
                .f32("decoder_bias", sae.decoderBias(), sae.dOut())
                .i64("last_fired", state.lastFired(), sae.latents());
        if (sae.activation() instanceof Activation.JumpRelu jump) {
            out.f32("threshold", jump.threshold(), sae.latents());
        }
        moments(out, "encoder", state.adam().encoder);
        moments(out, "encoder_bias", state.adam().encoderBias);
        moments(out, "decoder", state.adam().decoder);
        moments(out, "decoder_bias", state.adam().decoderBias);
        out.write(file);
    }

    private static void moments(SafetensorsWriter out, String name, Adam.Moments moments) {
        out.f32(name + ".first", moments.first(), moments.first().length);
        out.f32(name + ".second", moments.second(), moments.second().length);
    }

    static TrainState read(Path file, TrainConfig config, int d) {
        try (Safetensors in = Safetensors.open(file)) {
            int m = config.latents();
            Adam adam = new Adam(m, d);
            moments(in, "encoder", adam.encoder);
            moments(in, "encoder_bias", adam.encoderBias);
            moments(in, "decoder", adam.decoder);
            moments(in, "decoder_bias", adam.decoderBias);
            Sae sae = new Sae(
                    new Matrix(m, d, in.entry("encoder").requireShape(m, d).floats()),
                    in.entry("encoder_bias").requireShape(m).floats(),
                    new Matrix(m, d, in.entry("decoder").requireShape(m, d).floats()),
                    in.entry("decoder_bias").requireShape(d).floats(),
                    activation(in, config),
                    true);
            InputStatistics statistics = new InputStatistics(
                    number(in, "scale"),
                    number(in, "variance"),
                    in.entry("centre").requireShape(d).floats());
            return new TrainState(
                    (long) number(in, "step"),
                    statistics,
                    sae,
                    adam,
                    in.entry("last_fired").requireShape(m).longs());
        }
    }

    private static Activation activation(Safetensors in, TrainConfig config) {
        Activation initial = config.architecture().initial(config);
        if (initial instanceof Activation.JumpRelu jump) {
            read(in, "threshold", jump.threshold());
        }
        return initial;
    }

    private static void moments(Safetensors in, String name, Adam.Moments into) {
        read(in, name + ".first", into.first());
        read(in, name + ".second", into.second());
    }

    private static void read(Safetensors in, String name, float[] into) {
        in.entry(name).requireShape(into.length).floats(0, into, 0, into.length);
    }

    private static double number(Safetensors in, String key) {
        String text = in.metadata().getOrDefault(key, "");
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException e) {
            throw new BadInput(in.file() + ": metadata '" + key + "' is '" + text + "', expected a number", e);
        }
    }
}
