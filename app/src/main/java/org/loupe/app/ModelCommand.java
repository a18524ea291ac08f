package org.loupe.app;

import java.util.List;
import org.loupe.lm.HookPoint;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.ModelFiles;
import org.loupe.lm.ModelInfo;
import org.loupe.lm.ModelStore;
import org.loupe.lm.Precision;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code loupe model}: the language models on this machine. */
@Command(
        name = "model",
        description = "Fetch, list and describe language models.",
        mixinStandardHelpOptions = true,
        subcommands = {ModelCommand.Get.class, ModelCommand.List_.class, ModelCommand.Show.class},
        footerHeading = "%n",
        footer = {"Example:", "  loupe model get smollm2", "  loupe model show smollm2"})
final class ModelCommand implements Runnable {
    @Spec
    private CommandSpec spec = CommandSpec.create();

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "model: say get, list or show");
    }

    @Command(
            name = "get",
            description = "Fetch a model into the cache.",
            footer = {"Example:", "  loupe model get smollm2"})
    static final class Get extends LoupeCommand {
        @Parameters(paramLabel = "NAME", description = "A name that 'model list' shows.")
        private String name = "";

        @Override
        void run(Terminal terminal) {
            ModelFiles files = ModelOption.fetch(terminal, name);
            terminal.result(files.path().toString());
        }
    }

    @Command(
            name = "list",
            description = "List the models that are known by name.",
            footer = {"Example:", "  loupe model list --json"})
    static final class List_ extends LoupeCommand {
        @Option(names = "--json", description = "Print JSON.")
        private boolean json;

        @Override
        void run(Terminal terminal) {
            List<ModelStore.Entry> entries = ModelStore.ofUser().list();
            if (json) {
                terminal.json(entries.stream()
                        .map(e -> Terminal.object(
                                "name",
                                e.name(),
                                "description",
                                e.description(),
                                "present",
                                e.present(),
                                "file",
                                e.file().toString()))
                        .toList());
                return;
            }
            for (ModelStore.Entry e : entries) {
                terminal.result(
                        e.name() + "  " + (e.present() ? "in the cache" : "not fetched yet") + "  " + e.description());
            }
        }
    }

    @Command(
            name = "show",
            description = "Describe a model: shape, parameters, hook points with their widths.",
            footer = {"Example:", "  loupe model show smollm2"})
    static final class Show extends LoupeCommand {
        @Parameters(paramLabel = "MODEL", description = "A name, a GGUF file or a HuggingFace folder.")
        private String name = "";

        @Option(names = "--json", description = "Print JSON.")
        private boolean json;

        @Override
        void run(Terminal terminal) {
            ModelFiles files = ModelStore.ofUser().find(name);
            try (LanguageModel model = LanguageModel.load(files, Precision.F32, 1)) {
                ModelInfo info = model.info();
                if (json) {
                    List<Object> points = model.hookPoints().stream()
                            .<Object>map(p -> Terminal.object("name", p.toString(), "width", model.width(p)))
                            .toList();
                    terminal.json(Terminal.object("model", info, "hook_points", points));
                    return;
                }
                terminal.result(info.name() + ": " + info.family() + ", " + info.layers() + " blocks, width "
                        + info.width() + ", " + info.heads() + " heads (" + info.kvHeads()
                        + " for keys and values), MLP "
                        + info.mlpWidth() + ", vocabulary " + info.vocabulary() + ", " + info.parameters()
                        + " parameters");
                terminal.result("sha256 " + info.sha256());
                for (HookPoint point : model.hookPoints()) {
                    terminal.result("  " + point + "  [" + model.width(point) + "]");
                }
            }
        }
    }
}
