package org.loupe.app;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.loupe.causal.Firings;
import org.loupe.causal.OutputLoss;
import org.loupe.causal.TextAttribution;
import org.loupe.lm.Tokenizer;
import org.loupe.trace.Prompt;

/**
 * What {@code loupe attribute} says.
 *
 * @param labels of the strongest firings' latents
 */
record AttributionReport(
        Tokenizer tokenizer, Prompt prompt, OutputLoss loss, TextAttribution found, List<String> labels) {
    private static final int LABEL = 5;

    /** For a reader. */
    List<String> lines() {
        Firings firings = found.firings();
        List<String> lines = new ArrayList<>();
        lines.add("“" + TextTable.shown(prompt.text()) + "”");
        lines.add(judged());
        lines.add(String.format(
                Locale.ROOT,
                "%,d firings of %,d latents; the strongest, each taken out alone:",
                firings.count(),
                Arrays.stream(firings.latent()).distinct().count()));
        lines.add("");
        List<List<String>> rows = new ArrayList<>();
        rows.add(List.of("token", "latent", "activation", "attribution", "exact", "label"));
        for (int s = 0; s < found.strongest().length; s++) {
            int i = found.strongest()[s];
            rows.add(List.of(
                    firings.row()[i] + " " + TextTable.token(token(i)),
                    "#" + firings.latent()[i],
                    String.format(Locale.ROOT, "%.2f", firings.activation()[i]),
                    String.format(Locale.ROOT, "%+.4f", firings.effect()[i]),
                    String.format(Locale.ROOT, "%+.4f", found.exact()[s]),
                    labels.get(s)));
        }
        lines.addAll(TextTable.aligned(rows, Set.of(0, LABEL)));
        lines.add("");
        double agreement = found.agreement();
        lines.add(String.format(
                Locale.ROOT,
                "all firings: attributions add up to %+.4f, all taken out at once %+.4f%s",
                sum(),
                found.together(),
                Double.isNaN(agreement) ? "" : String.format(Locale.ROOT, "; ρ of these with exact %.2f", agreement)));
        return lines;
    }

    private String judged() {
        return switch (loss) {
            case OutputLoss.CrossEntropy _ ->
                String.format(
                        Locale.ROOT,
                        "cross-entropy of its tokens, %.4f nats in all; above 0: it rises without the firing",
                        found.loss());
            case OutputLoss.KullbackLeibler _ ->
                "KL divergence of its tokens’ distributions from the model as it is, nats in all";
            case OutputLoss.LogitDifference d ->
                String.format(
                        Locale.ROOT,
                        "logit of “%s” − logit of “%s” after the last token, %.4f; above 0: it falls without the firing",
                        TextTable.shown(tokenizer.token(d.token())),
                        TextTable.shown(tokenizer.token(d.other())),
                        -found.loss());
            case OutputLoss.Drawn _ -> throw new IllegalStateException("drawn labels are no text’s own");
        };
    }

    private String token(int firing) {
        return tokenizer.token(prompt.ids()[found.firings().row()[firing]]);
    }

    private double sum() {
        return Arrays.stream(found.firings().effect()).sum();
    }

    /** For a machine: every firing, the strongest first where they are ablated. */
    Map<String, Object> json() {
        Firings firings = found.firings();
        int[] exactly = new int[firings.count()];
        Arrays.fill(exactly, -1);
        for (int s = 0; s < found.strongest().length; s++) {
            exactly[found.strongest()[s]] = s;
        }
        int[] order = IntStream.concat(
                        IntStream.of(found.strongest()),
                        IntStream.range(0, firings.count()).filter(i -> exactly[i] < 0))
                .toArray();
        List<Map<String, Object>> all = IntStream.of(order)
                .mapToObj(i -> Terminal.object(
                        "position",
                        firings.row()[i],
                        "token",
                        token(i),
                        "latent",
                        firings.latent()[i],
                        "activation",
                        firings.activation()[i],
                        "attribution",
                        firings.effect()[i],
                        "exact",
                        exactly[i] < 0 ? OptionalDouble.empty() : OptionalDouble.of(found.exact()[exactly[i]]),
                        "label",
                        exactly[i] < 0 ? "" : labels.get(exactly[i])))
                .toList();
        double agreement = found.agreement();
        return Terminal.object(
                "prompt",
                prompt.text(),
                "judged",
                judgedKeys(),
                "loss",
                found.loss(),
                "attributions_sum",
                sum(),
                "all_ablated",
                found.together(),
                "agreement",
                Double.isNaN(agreement) ? OptionalDouble.empty() : OptionalDouble.of(agreement),
                "firings",
                all);
    }

    private Map<String, Object> judgedKeys() {
        return switch (loss) {
            case OutputLoss.CrossEntropy _ -> Terminal.object("by", "ce");
            case OutputLoss.KullbackLeibler _ -> Terminal.object("by", "kl");
            case OutputLoss.LogitDifference d ->
                Terminal.object(
                        "by", "logits",
                        "token", tokenizer.token(d.token()),
                        "token_id", d.token(),
                        "against", tokenizer.token(d.other()),
                        "against_id", d.other());
            case OutputLoss.Drawn _ -> throw new IllegalStateException("drawn labels are no text’s own");
        };
    }
}
