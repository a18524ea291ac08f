package org.loupe.app;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.loupe.causal.Edit;
import org.loupe.io.BadInput;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code loupe ablate}. */
@Command(
        name = "ablate",
        description =
                "Change what latents say and see what the model does without them: on every token of a prompt and on"
                        + " every token that the model writes behind it.",
        footer = {
            "Example:",
            "  loupe ablate --sae runs/demo/sae --latent 12,40 --prompt \"The capital of France is\"",
            "  loupe ablate --sae runs/demo/sae --latent 12 --mean --store runs/demo/store --prompt - < text.txt",
            "  loupe ablate --sae runs/demo/sae --splice --prompt \"The capital of France is\""
        })
final class AblateCommand extends InterveneCommand {
    /** What takes the activation's place. */
    static final class Replacement {
        @Option(names = "--mean", description = "Its mean over rows of the store.")
        private boolean mean;

        @Option(names = "--resample", description = "Its value on a row drawn from the store, for each token anew.")
        private boolean resample;

        @Option(names = "--set", paramLabel = "V", description = "A value.")
        private @Nullable Float set;

        @Option(names = "--scale", paramLabel = "S", description = "Itself times S.")
        private @Nullable Float scale;

        @Option(
                names = "--clamp",
                paramLabel = "LOW,HIGH",
                hideParamSyntax = true,
                split = ",",
                description = "Itself, kept within LOW and HIGH.")
        private @Nullable List<Float> clamp;
    }

    @ArgGroup(heading = "%nWhat takes the activation's place (default: 0):%n")
    private Replacement by = new Replacement();

    @Override
    boolean needsPool() {
        return by.mean || by.resample;
    }

    @Override
    Edit edit(int latent, float[] pool, float mean, long drawnBy) {
        if (by.mean) {
            return new Edit.Set(latent, mean);
        }
        if (by.resample) {
            return new Edit.Resample(latent, pool, drawnBy);
        }
        if (by.scale != null) {
            return new Edit.Scale(latent, by.scale);
        }
        if (by.clamp != null) {
            if (by.clamp.size() != 2 || !(by.clamp.getFirst() <= by.clamp.getLast())) {
                throw new BadInput("--clamp is " + by.clamp + ", expected two numbers, the lower one first");
            }
            return new Edit.Clamp(latent, by.clamp.getFirst(), by.clamp.getLast());
        }
        return new Edit.Set(latent, by.set == null ? 0 : by.set);
    }

    @Override
    String words() {
        if (by.mean) {
            return "set to its mean";
        }
        if (by.resample) {
            return "resampled";
        }
        if (by.scale != null) {
            return "times " + by.scale;
        }
        if (by.clamp != null) {
            return "kept within " + by.clamp.getFirst() + " and " + by.clamp.getLast();
        }
        return "set to " + (by.set == null ? 0 : by.set);
    }
}
