package org.loupe.app;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.loupe.experiment.Experiment;
import org.loupe.experiment.ExperimentRun;
import org.loupe.experiment.Laboratory;
import org.loupe.experiment.Say;
import org.loupe.experiment.Scale;
import org.loupe.experiment.Trial;
import org.loupe.experiment.question.Experiments;
import org.loupe.io.Json;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code loupe experiment}: open questions about SAEs, each answered by one command. */
@Command(
        name = "experiment",
        description =
                "Answer a question about SAEs by measuring: a page with plots, a table and a verdict. 'list' shows the questions.",
        footer = {"Example:", "  loupe experiment list", "  loupe experiment downstream --small"})
final class ExperimentCommand extends LoupeCommand {
    private static final String LIST = "list";

    @Parameters(paramLabel = "NAME", description = "An experiment's name, or list.")
    private String name = LIST;

    @Option(names = "--small", description = "Few rows and steps: minutes, and often \"cannot tell\".")
    private boolean small;

    @Option(
            names = "--seeds",
            paramLabel = "N",
            description = "Repetitions of every trial (default: 3, with --small 1).")
    private @Nullable Integer seeds;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description =
                    "Folder (default: runs/experiments/NAME, with --small runs/experiments/NAME-small). Its neighbour"
                            + " 'stores' holds the activations that experiments share.")
    private @Nullable Path out;

    @Option(names = "--fresh", description = "Start over instead of keeping the trials that are done.")
    private boolean fresh;

    @Option(names = "--json", description = "Print the results as JSON.")
    private boolean json;

    @Mixin
    private ThreadsOption threads = new ThreadsOption();

    @Override
    void run(Terminal terminal) {
        if (name.equals(LIST)) {
            list(terminal);
            return;
        }
        Experiment experiment = Experiments.named(name);
        Scale scale = new Scale(small, seeds != null ? seeds : small ? 1 : 3);
        Path folder = out != null ? out : Path.of("runs", "experiments", name + (small ? "-small" : ""));
        if (fresh && Files.isDirectory(folder)) {
            ExperimentRun.clear(folder);
        }
        Path stores = folder.toAbsolutePath().resolveSibling("stores");
        ExperimentRun.Result result;
        try (Progress progress = new Progress(terminal)) {
            result = ExperimentRun.run(
                    experiment,
                    scale,
                    folder,
                    stores,
                    command(scale),
                    threads.count(),
                    precision -> ModelOption.load(terminal, ModelOption.DEFAULT, precision, threads.count()),
                    listener(terminal, progress));
        }
        terminal.say(
                result.complete()
                        ? "experiment: complete already → " + result.page()
                        : "experiment: measured in " + Progress.clock(result.seconds()) + " → " + result.page());
        if (json) {
            terminal.json(Json.tree(result.results()));
        } else {
            terminal.result("");
            terminal.result(experiment.question());
            terminal.result(result.answer().verdict());
        }
    }

    private String command(Scale scale) {
        return "loupe experiment " + name + (scale.small() ? " --small" : "") + " --seeds " + scale.seeds();
    }

    private void list(Terminal terminal) {
        if (json) {
            terminal.json(Experiments.ALL.stream()
                    .map(e -> Terminal.object("name", e.name(), "question", e.question()))
                    .toList());
            return;
        }
        int width =
                Experiments.ALL.stream().mapToInt(e -> e.name().length()).max().orElse(0);
        Experiments.ALL.forEach(
                e -> terminal.result(String.format(Locale.ROOT, "%-" + width + "s  %s", e.name(), e.question())));
    }

    private static Laboratory.Listener listener(Terminal terminal, Progress progress) {
        return new Laboratory.Listener() {
            @Override
            public void at(String stage, String unit, long done, long total) {
                progress.at(stage, unit, done, total, "");
            }

            @Override
            public void done(Trial trial) {
                progress.close();
                terminal.say(line(trial));
            }
        };
    }

    /** A trial and its first figures. */
    private static String line(Trial trial) {
        List<String> figures = trial.values().entrySet().stream()
                .limit(4)
                .map((Map.Entry<String, Double> e) -> e.getKey() + " " + Say.number(e.getValue()))
                .toList();
        return trial.part() + ", " + trial.variant() + ", seed " + trial.seed() + ": " + String.join(", ", figures)
                + " (" + Progress.clock(trial.seconds()) + ")";
    }
}
