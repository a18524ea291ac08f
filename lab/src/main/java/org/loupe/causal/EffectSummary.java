package org.loupe.causal;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.loupe.causal.EffectMeasurement.Known;

/**
 * What the effects of all latents say together. The total effect of a latent is its mean exact KL a firing times its firings in the
 * store.
 *
 * @param firings attributed
 * @param ablated ablated exactly
 * @param agreement of attribution with exact ablation
 * @param concentration how few latents carry how much
 * @param relevance whether what one sees of activations tells the effect
 * @param dimension of what the output depends on at the hook point
 * @param causal latents that carry 90 % of the total effect: to be set beside it
 * @param bands effect by strength of activation, weakest quarter first
 * @param causallyDead latents that fire and whose effect is within error of nothing: the upper end of the 95 % interval of its kl is below
 *     1 % of the median latent's
 * @param busyIdle fire a lot, do nothing: of the quarter that fires most, those of least effect, by the upper end of the interval
 * @param rareDecisive rare, decisive: of the quarter that fires least, those of greatest effect, by its lower end
 */
public record EffectSummary(
        long firings,
        long ablated,
        Agreement agreement,
        Concentration concentration,
        Relevance relevance,
        CausalDimension dimension,
        int causal,
        List<Band> bands,
        List<Integer> causallyDead,
        List<Integer> busyIdle,
        List<Integer> rareDecisive) {
    private static final int LISTED = 20;

    /**
     * First order against exact.
     *
     * @param spearmanFirings ρ of attribution and exact ΔCE, firing by firing
     * @param spearmanLatents ρ of their means, latent by latent
     * @param sameSign share of firings for which both have one sign
     * @param meanAttribution nats a firing
     * @param meanIncrease exact, nats a firing: first order misses curvature, so that means differ and may differ in sign
     */
    public record Agreement(
            double spearmanFirings,
            double spearmanLatents,
            double sameSign,
            double meanAttribution,
            double meanIncrease) {}

    /**
     * Shares of the live latents, those of greatest effect first, that together carry so much of it.
     *
     * @param half 50 % of the total effect
     * @param most 90 %
     * @param nearlyAll 99 %
     * @param mostEnergy the share that carries 90 % of the energy Σ f²‖d‖², beside it
     */
    public record Concentration(double half, double most, double nearlyAll, double mostEnergy) {}

    /**
     * Spearman's ρ over live latents of the exact effect with what one sees without running the model.
     *
     * @param totalEnergy total effect with Σ f²‖d‖²
     * @param totalMass total effect with Σ |f|
     * @param totalFrequency total effect with the number of firings
     * @param eachMean effect of a firing with the mean activation
     * @param eachFrequency effect of a firing with the number of firings
     */
    public record Relevance(
            double totalEnergy, double totalMass, double totalFrequency, double eachMean, double eachFrequency) {}

    /**
     * A quarter of each latent's firings.
     *
     * @param energy its share of Σ f²‖d‖²
     * @param attribution its share of Σ |attribution|
     * @param kl its share of the exact effect
     * @param increase mean exact ΔCE of a firing, nats
     * @param ablated firings it was measured on
     */
    public record Band(double energy, double attribution, double kl, double increase, long ablated) {}

    static EffectSummary of(
            List<LatentEffect> latents,
            List<Ablated> ablated,
            Known known,
            FiringSums sums,
            CausalDimension dimension) {
        List<LatentEffect> live =
                latents.stream().filter(l -> l.firings() > 0 && l.ablated() > 0).toList();
        Concentration concentration = concentration(live, known, sums);
        return new EffectSummary(
                Arrays.stream(sums.count).sum(),
                ablated.size(),
                agreement(live, ablated),
                concentration,
                relevance(live, known, sums),
                dimension,
                (int) Math.round(concentration.most() * live.size()),
                IntStream.range(0, FiringSums.BANDS)
                        .mapToObj(b -> band(b, latents, ablated, known, sums))
                        .toList(),
                causallyDead(live),
                listed(live, known, true),
                listed(live, known, false));
    }

    private static Agreement agreement(List<LatentEffect> live, List<Ablated> ablated) {
        double[] first = ablated.stream().mapToDouble(Ablated::attribution).toArray();
        double[] exact = ablated.stream().mapToDouble(Ablated::increase).toArray();
        double[] firstOf = new double[live.size()];
        double[] exactOf = live.stream().mapToDouble(LatentEffect::increase).toArray();
        int[] index = new int[live.stream().mapToInt(LatentEffect::latent).max().orElse(0) + 1];
        for (int i = 0; i < live.size(); i++) {
            index[live.get(i).latent()] = i;
        }
        for (Ablated one : ablated) {
            int i = index[one.latent()];
            firstOf[i] += one.attribution() / live.get(i).ablated();
        }
        return new Agreement(
                Ranks.spearman(first, exact),
                Ranks.spearman(firstOf, exactOf),
                ablated.stream()
                        .mapToDouble(a -> a.attribution() > 0 == a.increase() > 0 ? 1 : 0)
                        .average()
                        .orElse(Double.NaN),
                Arrays.stream(first).average().orElse(Double.NaN),
                Arrays.stream(exact).average().orElse(Double.NaN));
    }

    private static double energy(LatentEffect latent, Known known, FiringSums sums) {
        return sums.energy[latent.latent()] / latent.firings() * known.count()[latent.latent()];
    }

    private static Concentration concentration(List<LatentEffect> live, Known known, FiringSums sums) {
        double[] effect = live.stream().mapToDouble(LatentEffect::total).toArray();
        double[] energy = live.stream().mapToDouble(l -> energy(l, known, sums)).toArray();
        return new Concentration(carry(effect, 0.5), carry(effect, 0.9), carry(effect, 0.99), carry(energy, 0.9));
    }

    /** The share of values, largest first, that adds up to a share of the sum. */
    static double carry(double[] values, double share) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        double wanted = share * Arrays.stream(values).sum();
        double sum = 0;
        int n = 0;
        while (n < sorted.length && sum < wanted) {
            sum += sorted[sorted.length - ++n];
        }
        return (double) n / sorted.length;
    }

    private static Relevance relevance(List<LatentEffect> live, Known known, FiringSums sums) {
        ToDoubleFunction<LatentEffect> frequency = l -> known.count()[l.latent()];
        ToDoubleFunction<LatentEffect> mean = l -> sums.mass[l.latent()] / l.firings();
        return new Relevance(
                rho(live, LatentEffect::total, l -> energy(l, known, sums)),
                rho(live, LatentEffect::total, l -> mean.applyAsDouble(l) * frequency.applyAsDouble(l)),
                rho(live, LatentEffect::total, frequency),
                rho(live, LatentEffect::kl, mean),
                rho(live, LatentEffect::kl, frequency));
    }

    private static double rho(
            List<LatentEffect> live, ToDoubleFunction<LatentEffect> x, ToDoubleFunction<LatentEffect> y) {
        return Ranks.spearman(
                live.stream().mapToDouble(x).toArray(),
                live.stream().mapToDouble(y).toArray());
    }

    /** Each latent's ablated firings stand for all of its firings. */
    private static Band band(
            int band, List<LatentEffect> latents, List<Ablated> ablated, Known known, FiringSums sums) {
        double kl = 0;
        double all = 0;
        double increase = 0;
        double weights = 0;
        long count = 0;
        for (Ablated one : ablated) {
            LatentEffect latent = latents.get(one.latent());
            double weight = (double) latent.firings() / latent.ablated();
            all += weight * one.kl();
            if (FiringSums.band(one.activation(), known.bands()[one.latent()]) == band) {
                kl += weight * one.kl();
                increase += weight * one.increase();
                weights += weight;
                count++;
            }
        }
        return new Band(
                share(sums.bandEnergy, band), share(sums.bandAbsolute, band), kl / all, increase / weights, count);
    }

    private static double share(double[][] bands, int band) {
        double all = Arrays.stream(bands).flatMapToDouble(Arrays::stream).sum();
        return Arrays.stream(bands[band]).sum() / all;
    }

    private static double upper(LatentEffect latent) {
        return latent.kl() + latent.klWithin();
    }

    private static double lower(LatentEffect latent) {
        return latent.kl() - latent.klWithin();
    }

    private static List<Integer> causallyDead(List<LatentEffect> live) {
        double[] kl = live.stream().mapToDouble(LatentEffect::kl).sorted().toArray();
        double median = kl.length == 0 ? 0 : kl[kl.length / 2];
        return live.stream()
                .filter(l -> upper(l) < 0.01 * median)
                .map(LatentEffect::latent)
                .toList();
    }

    /** Of the quarter that fires most, or least, those of least, or greatest, effect. */
    private static List<Integer> listed(List<LatentEffect> live, Known known, boolean busy) {
        Comparator<LatentEffect> byCount = Comparator.comparingLong(l -> known.count()[l.latent()]);
        List<LatentEffect> measured = live.stream().filter(l -> l.ablated() > 1).toList();
        return measured.stream()
                .sorted(busy ? byCount.reversed() : byCount)
                .limit(Math.max(1, measured.size() / 4))
                .sorted(
                        busy
                                ? Comparator.comparingDouble(EffectSummary::upper)
                                : Comparator.comparingDouble(l -> -lower(l)))
                .limit(LISTED)
                .map(LatentEffect::latent)
                .toList();
    }
}
