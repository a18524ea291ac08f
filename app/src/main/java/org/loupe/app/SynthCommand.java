package org.loupe.app;

import java.nio.file.Path;
import org.loupe.synth.Synth;
import org.loupe.synth.SynthConfig;
import org.loupe.tensor.Workers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code loupe synth}. */
@Command(
        name = "synth",
        description = "Make rows with a known dictionary: train.safetensors, eval.safetensors and truth.safetensors.",
        footer = {
            "Example:",
            "  loupe synth --world hierarchical --out world",
            "  loupe train --data world/train.safetensors --set latents=512 --set k=5 --out runs/sae",
            "  loupe eval runs/sae --data world/eval.safetensors --truth world/truth.safetensors"
        })
final class SynthCommand extends LoupeCommand {
    @Mixin
    private WorldOptions world = new WorldOptions();

    @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder to write.")
    private Path out = Path.of("");

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Option(names = "--fresh", description = "Start over.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the result as JSON.")
    private boolean json;

    @Override
    void run(Terminal terminal) {
        SynthConfig config = world.config();
        try (Workers workers = new Workers(threads.count())) {
            if (fresh) {
                Synth.clear(out);
            }
            SynthStage.Result result = SynthStage.run(terminal, config, out, workers);
            if (json) {
                terminal.json(result.toJson());
            }
        }
    }
}
