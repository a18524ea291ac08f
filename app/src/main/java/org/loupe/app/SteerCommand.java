package org.loupe.app;

import org.jspecify.annotations.Nullable;
import org.loupe.causal.Edit;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code loupe steer}. */
@Command(
        name = "steer",
        description =
                "Push a model along latents' directions: on every token of a prompt and on every token that the model"
                        + " writes behind it.",
        footer = {
            "Example:",
            "  loupe steer --sae runs/demo/sae --latent 12 --add 40 --prompt \"I went to the\"",
            "  loupe steer --sae runs/demo/sae --latent 12 --project 0 --prompt \"I went to the\"   (takes the direction out)"
        })
final class SteerCommand extends InterveneCommand {
    /** How to push. With d a latent's dictionary row of unit norm, P = d dᵀ and h a row. */
    static final class Push {
        @Option(names = "--add", paramLabel = "A", description = "h + A d, in the activations' own unit.")
        private @Nullable Float add;

        @Option(
                names = "--project",
                paramLabel = "S",
                description = "(I − P) h + S P h: what is orthogonal to d stays.")
        private @Nullable Float project;

        @Option(names = "--cap", paramLabel = "C", description = "The projection on d is at most C.")
        private @Nullable Float cap;
    }

    @ArgGroup(multiplicity = "1", heading = "%nHow to push, d being a latent's dictionary row, P = d dᵀ / ‖d‖²:%n")
    private Push push = new Push();

    @Override
    boolean needsPool() {
        return false;
    }

    @Override
    Edit edit(int latent, float[] pool, float mean, long drawnBy) {
        if (push.project != null) {
            return new Edit.Project(latent, push.project);
        }
        return push.cap != null
                ? new Edit.Cap(latent, push.cap)
                : new Edit.Add(latent, push.add == null ? 0 : push.add);
    }

    @Override
    String words() {
        if (push.project != null) {
            return "projection times " + push.project;
        }
        return push.cap != null ? "projection at most " + push.cap : push.add + " added";
    }
}
