package org.loupe.app;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.Collectors;
import org.loupe.causal.Comparison.Moved;
import org.loupe.causal.Comparison.Place;
import org.loupe.lm.Continuation;
import org.loupe.lm.Tokenizer;

/**
 * What an intervention did to one text: both continuations, and token by token the probabilities before and after.
 *
 * @param prefix how many tokens of the text come before the prompt
 * @param text tokens of prefix and prompt
 * @param plain what the model wrote as it is
 * @param changed what it wrote with the interventions
 * @param places of the text and what was written with the interventions
 */
record InterventionReport(
        Tokenizer tokenizer,
        List<Change> changes,
        int prefix,
        int[] text,
        Continuation plain,
        Continuation changed,
        List<Place> places) {
    /**
     * What was done with one SAE.
     *
     * @param change in words
     * @param errorKept whether what the SAE does not explain stayed in the stream
     */
    record Change(String sae, String hook, List<Integer> latents, String change, boolean errorKept) {}

    private String prompt() {
        return tokenizer.decode(Arrays.copyOfRange(text, prefix, text.length));
    }

    /** For a reader. */
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        for (Change change : changes) {
            String latents = change.latents.stream().map(i -> "#" + i).collect(Collectors.joining(", "));
            lines.add(change.hook
                    + (latents.isEmpty() ? "" : ": " + latents + " " + change.change)
                    + (change.errorKept ? "" : "; the reconstruction without its error"));
        }
        lines.add("");
        lines.add("as it is  " + TextTable.shown(prompt()) + "|" + TextTable.shown(tokenizer.decode(plain.ids())));
        lines.add("changed   " + TextTable.shown(prompt()) + "|" + TextTable.shown(tokenizer.decode(changed.ids())));
        lines.add("");
        List<String> heads = new ArrayList<>(List.of("token"));
        changes.forEach(change -> change.latents.forEach(i -> heads.add("#" + i)));
        heads.addAll(List.of("log p(next)", "changed", "ΔCE", "KL", "raises", "lowers"));
        List<List<String>> rows = new ArrayList<>();
        rows.add(heads);
        for (int i = prefix; i < places.size(); i++) {
            rows.add(cells(places.get(i), i == text.length));
        }
        lines.addAll(TextTable.aligned(rows, Set.of(0, heads.size() - 2, heads.size() - 1)));
        lines.add("");
        lines.add(String.format(
                Locale.ROOT,
                "prompt: ΔCE %+.4f, KL %.4f nats a token; written: log p of the changed text %.3f as it is, %.3f changed",
                mean(prefix, text.length - 1, Place::increase),
                mean(prefix, text.length, Place::kl),
                mean(text.length - 1, places.size() - 1, Place::logProbability),
                mean(text.length - 1, places.size() - 1, Place::changedLogProbability)));
        return lines;
    }

    private List<String> cells(Place place, boolean firstWritten) {
        List<String> cells = new ArrayList<>();
        cells.add((firstWritten ? "|" : " ") + token(place.id()));
        place.activations().forEach(a -> cells.add(a == 0 ? "·" : figure("%.2f", a)));
        cells.add(figure("%.3f", place.logProbability()));
        cells.add(figure("%.3f", place.changedLogProbability()));
        cells.add(figure("%+.3f", place.increase()));
        cells.add(figure("%.4f", place.kl()));
        cells.add(moved(place.raised()));
        cells.add(moved(place.lowered()));
        return cells;
    }

    private static String figure(String format, double value) {
        return Double.isNaN(value) ? "" : String.format(Locale.ROOT, format, value);
    }

    /** Tokens whose probability moves by at least half a percent. */
    private String moved(List<Moved> moved) {
        return moved.stream()
                .filter(m -> Math.abs(m.by()) >= 0.005)
                .map(m -> token(m.id()) + " " + Math.round(Math.abs(m.by()) * 100) + "%")
                .collect(Collectors.joining(", "));
    }

    private String token(int id) {
        return TextTable.token(tokenizer.token(id));
    }

    private double mean(int from, int to, java.util.function.ToDoubleFunction<Place> value) {
        return from >= to
                ? 0
                : places.subList(from, to).stream().mapToDouble(value).average().orElse(0);
    }

    /** For a machine; log-probabilities in nats, null where nothing follows. */
    Map<String, Object> json() {
        List<Object> tokens = new ArrayList<>();
        for (int i = 0; i < places.size(); i++) {
            Place place = places.get(i);
            tokens.add(Terminal.object(
                    "position", i,
                    "part", i < prefix ? "prefix" : i < text.length ? "prompt" : "written",
                    "id", place.id(),
                    "token", tokenizer.token(place.id()),
                    "activations", place.activations(),
                    "log_probability", known(place.logProbability()),
                    "changed_log_probability", known(place.changedLogProbability()),
                    "delta_ce", known(place.increase()),
                    "kl", place.kl(),
                    "raised", list(place.raised()),
                    "lowered", list(place.lowered())));
        }
        Map<String, Object> json = new LinkedHashMap<>();
        json.put(
                "interventions",
                changes.stream()
                        .map(c -> Terminal.object(
                                "sae", c.sae,
                                "hook", c.hook,
                                "latents", c.latents,
                                "change", c.change,
                                "error_kept", c.errorKept))
                        .toList());
        json.put("prompt", prompt());
        json.put("written", written(plain));
        json.put("changed_written", written(changed));
        json.put("delta_ce", mean(prefix, text.length - 1, Place::increase));
        json.put("kl", mean(prefix, text.length, Place::kl));
        json.put("tokens", tokens);
        return json;
    }

    private Map<String, Object> written(Continuation continuation) {
        return Terminal.object(
                "text", tokenizer.decode(continuation.ids()),
                "ids", continuation.ids(),
                "log_probabilities", continuation.logProbabilities());
    }

    private List<Object> list(List<Moved> moved) {
        return moved.stream()
                .filter(m -> Math.abs(m.by()) >= 1e-6) // f32 softmax
                .map(m -> (Object) Terminal.object("token", tokenizer.token(m.id()), "id", m.id(), "by", m.by()))
                .toList();
    }

    private static OptionalDouble known(double value) {
        return Double.isNaN(value) ? OptionalDouble.empty() : OptionalDouble.of(value);
    }
}
