package org.loupe.app;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.loupe.activations.StoreInfo;
import org.loupe.harvest.Harvest;
import org.loupe.harvest.HarvestConfig;
import org.loupe.harvest.HarvestEvent;
import org.loupe.lm.LanguageModel;
import org.loupe.text.Corpus;

/** Harvests with progress and one line of result. */
final class HarvestStage {
    private HarvestStage() {}

    /** Harvests into a folder, goes on there, or says that it is complete. */
    static Harvest.Result run(Terminal terminal, LanguageModel model, Corpus corpus, HarvestConfig config, Path out) {
        Harvest.Result result;
        try (Progress progress = new Progress(terminal)) {
            result = Harvest.run(model, corpus, config, out, event -> show(progress, event));
        }
        terminal.say(line(result, out));
        return result;
    }

    private static void show(Progress progress, HarvestEvent event) {
        switch (event.stage()) {
            case READING -> progress.at("harvest: reading", "tokens", event.done(), event.total(), "");
            case RUNNING -> progress.at("harvest", "tokens", event.done(), event.total(), "");
        }
    }

    private static String line(Harvest.Result result, Path out) {
        StoreInfo store = result.store();
        String rows = String.format(Locale.ROOT, "%,d rows of %s", store.rows(), columns(store));
        if (result.complete()) {
            return "harvest: complete already, " + rows + " → " + out;
        }
        String dropped = store.dropped().entrySet().stream()
                .map(e -> String.format(Locale.ROOT, "%,d %s", e.getValue(), e.getKey()))
                .collect(Collectors.joining(", "));
        return String.format(
                Locale.ROOT,
                "harvest: %s (dropped: %s); %,d tokens in %s, %,.0f tokens/s → %s",
                rows,
                dropped,
                result.tokens(),
                Progress.clock(result.seconds()),
                result.tokens() / result.seconds(),
                out);
    }

    /** Hook points and widths: of A; of A + B; of A, targets of B. */
    private static String columns(StoreInfo store) {
        String inputs = store.provenance().hook() + ", width " + store.width();
        if (store.parts().size() > 1) {
            inputs += store.parts().stream()
                    .map(part -> String.valueOf(part.width()))
                    .collect(Collectors.joining(" + ", " = ", ""));
        }
        if (store.gradients() != null) {
            inputs += ", with gradients (" + store.gradients().key() + ")";
        }
        StoreInfo.Part target = store.target();
        return target == null ? inputs : inputs + ", targets of " + target.hook() + ", width " + target.width();
    }

    /** The result for machines. */
    static Map<String, Object> toJson(Harvest.Result result, Path out) {
        return Terminal.object(
                "store", out.toString(),
                "complete", result.complete(),
                "rows", result.store().rows(),
                "hook", result.store().provenance().hook(),
                "width", result.store().width(),
                "target_hook",
                        result.store().target() == null
                                ? ""
                                : result.store().target().hook(),
                "target_width", result.store().targetWidth(),
                "gradients",
                        result.store().gradients() == null
                                ? ""
                                : result.store().gradients().key(),
                "dropped", result.store().dropped(),
                "tokens", result.tokens(),
                "seconds", result.seconds(),
                "tokens_per_second", result.seconds() > 0 ? result.tokens() / result.seconds() : 0);
    }
}
