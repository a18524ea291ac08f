package org.loupe.causal;

import java.util.Comparator;
import java.util.Map;
import java.util.stream.IntStream;
import org.loupe.lm.LanguageModel;
import org.loupe.lm.TokenBatch;
import org.loupe.sae.SaeFolder;

/**
 * Which firings an output of the model for one text depends on.
 *
 * @param firings all that reach what is judged, each with its attribution
 * @param strongest those with the largest attributions by size, as numbers of firings, the largest first
 * @param exact what setting each of the strongest to 0, alone, adds to the loss
 * @param loss of the model as it is
 * @param together what setting all firings to 0 at once adds to it
 */
public record TextAttribution(Firings firings, int[] strongest, double[] exact, double loss, double together) {
    /**
     * Measures.
     *
     * @param normLimits largest norms by hook point; those it does not name have none
     * @param steps points at which the gradient is taken ({@link Firings})
     * @param top how many firings to ablate, at most
     */
    public static TextAttribution of(
            LanguageModel model,
            SaeFolder.Loaded loaded,
            Map<String, Double> normLimits,
            TokenBatch text,
            OutputLoss loss,
            int steps,
            int top) {
        Attribution attribution = new Attribution(model, loaded, normLimits);
        Firings firings = attribution.firings(text, loss, steps);
        int[] strongest = IntStream.range(0, firings.count())
                .boxed()
                .sorted(Comparator.comparingDouble(i -> -Math.abs(firings.effect()[i])))
                .limit(top)
                .mapToInt(i -> i)
                .toArray();
        try (AblatedRuns runs =
                new AblatedRuns(model, loaded.sae(), attribution.start(), attribution.written(), text, loss)) {
            double[] exact = new double[strongest.length];
            model.sideBySide(exact.length, i -> exact[i] = runs.increase(firings, strongest[i]));
            int[] all = IntStream.range(0, firings.count()).toArray();
            return new TextAttribution(firings, strongest, exact, runs.loss(), runs.increase(firings, all));
        }
    }

    /** Spearman's ρ of attribution and exact effect over the strongest. */
    public double agreement() {
        double[] attributed =
                IntStream.of(strongest).mapToDouble(i -> firings.effect()[i]).toArray();
        return Ranks.spearman(attributed, exact);
    }
}
