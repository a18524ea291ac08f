package org.loupe.app;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.loupe.bench.HarvestBench;
import org.loupe.bench.MachineBench;
import org.loupe.bench.TrainBench;
import org.loupe.io.BadInput;
import org.loupe.lm.LanguageModel;
import org.loupe.train.ConfigReader;
import org.loupe.train.TrainConfig;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code loupe bench}: speed on this machine. */
@Command(
        name = "bench",
        description = "Measure speed on this machine.",
        mixinStandardHelpOptions = true,
        subcommands = {BenchCommand.Train.class, BenchCommand.Harvest.class, BenchCommand.Machine.class},
        footerHeading = "%n",
        footer = {"Example:", "  loupe bench train --d 768 --latents 24576 --k 32 --batch 4096 --steps 5 --json"})
final class BenchCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "bench: say train, harvest or machine");
    }

    @Command(
            name = "train",
            description = "Time whole training steps, optimiser included, on random structured rows in memory.",
            footer = {
                "Example:",
                "  loupe bench train --set architecture=topk --d 768 --latents 24576 --k 32 --batch 4096 --steps 5 --json"
            })
    static final class Train extends LoupeCommand {
        @Option(names = "--d", defaultValue = "768", description = "Width of the rows (default: ${DEFAULT-VALUE}).")
        private int d;

        @Option(names = "--latents", defaultValue = "24576", description = "Latents (default: ${DEFAULT-VALUE}).")
        private int latents;

        @Option(names = "--k", defaultValue = "32", description = "Active latents a row (default: ${DEFAULT-VALUE}).")
        private int k;

        @Option(names = "--batch", defaultValue = "4096", description = "Rows of a step (default: ${DEFAULT-VALUE}).")
        private int batch;

        @Option(names = "--steps", defaultValue = "5", description = "Steps to time (default: ${DEFAULT-VALUE}).")
        private int steps;

        @Option(names = "--warm", defaultValue = "3", description = "Steps before those (default: ${DEFAULT-VALUE}).")
        private int warm;

        @Option(names = "--set", paramLabel = "KEY=VALUE", description = "Sets a key of the configuration.")
        private List<String> set = new ArrayList<>();

        @Option(names = "--seed", defaultValue = "0", description = "Seed of the rows (default: ${DEFAULT-VALUE}).")
        private long seed;

        @Option(names = "--json", description = "Print JSON.")
        private boolean json;

        @Override
        void run(Terminal terminal) {
            if (d < 1 || steps < 1 || warm < 0) {
                throw new BadInput("--d is " + d + " and --steps is " + steps + ", expected at least 1; --warm is "
                        + warm + ", expected at least 0");
            }
            List<String> all =
                    new ArrayList<>(List.of("latents=" + latents, "k=" + k, "batch=" + batch, "seed=" + seed));
            all.addAll(set);
            TrainConfig config = ConfigReader.read(TrainConfig.DEFAULT, null, all);
            TrainBench.Result result = TrainBench.run(config, d, warm, steps);
            if (json) {
                terminal.json(result);
                return;
            }
            terminal.result(String.format(
                    Locale.ROOT,
                    "train: %.0f ms a step (least %.0f), %.0f ms of CPU, %,.0f tokens/s, peak %,d MB (%,d MB of it the"
                            + " rows); %,.1f latents active a row, %.2f %%; %s",
                    result.ms_per_step(),
                    result.ms_per_step_min(),
                    result.cpu_ms_per_step(),
                    result.tokens_per_second(),
                    result.peak_rss_mb(),
                    result.data_mb(),
                    result.l0(),
                    100 * result.density(),
                    result.arithmetic()));
        }
    }

    @Command(
            name = "harvest",
            description = "Time a language model's activations: 16 rows of 128 tokens up to the end of block 11.",
            footer = {"Example:", "  loupe bench harvest --precision bf16 --calls 5 --json"})
    static final class Harvest extends LoupeCommand {
        @Mixin
        private ModelOption model = new ModelOption();

        @Option(names = "--calls", defaultValue = "5", description = "Calls to time (default: ${DEFAULT-VALUE}).")
        private int calls;

        @Mixin
        private ThreadsOption threads = new ThreadsOption();

        @Option(names = "--json", description = "Print JSON.")
        private boolean json;

        @Override
        void run(Terminal terminal) {
            if (calls < 1) {
                throw new BadInput("--calls is " + calls + ", expected at least 1");
            }
            try (LanguageModel loaded = model.load(terminal, threads.count())) {
                HarvestBench.Result result = HarvestBench.run(loaded, calls, threads.count());
                if (json) {
                    terminal.json(result);
                    return;
                }
                terminal.result(String.format(
                        Locale.ROOT,
                        "harvest: %,d tokens/s (best call %,d), %s, %d threads",
                        result.tokens_per_second(),
                        result.tokens_per_second_best(),
                        result.precision(),
                        result.threads()));
            }
        }
    }

    @Command(
            name = "machine",
            description = "Measure the processor's and the memory's best rates, to read the others beside.",
            footer = {"Example:", "  loupe bench machine --json"})
    static final class Machine extends LoupeCommand {
        @Mixin
        private ThreadsOption threads = new ThreadsOption();

        @Option(names = "--json", description = "Print JSON.")
        private boolean json;

        @Override
        void run(Terminal terminal) {
            MachineBench.Result result = MachineBench.run(threads.count());
            if (json) {
                terminal.json(result);
                return;
            }
            terminal.result(String.format(
                    Locale.ROOT,
                    "machine: f32 %,.0f, bf16 %,.0f, int8 %,.0f G operations/s; memory %.1f GB/s read, %.1f GB/s updated;"
                            + " %s, %d threads",
                    result.f32_gflops(),
                    result.bf16_gflops(),
                    result.int8_gops(),
                    result.read_gb_s(),
                    result.update_gb_s(),
                    result.kernels(),
                    result.threads()));
        }
    }
}
