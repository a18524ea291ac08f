package org.loupe.experiment;

import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/** What was measured, in order. */
public record Trials(List<Trial> all) {
    public Trials {
        all = List.copyOf(all);
    }

    /** The parts, in the order of their first trial. */
    public List<String> parts() {
        return all.stream().map(Trial::part).distinct().toList();
    }

    /** The variants of a part, in the order of their first trial. */
    public List<String> variants(String part) {
        return all.stream()
                .filter(trial -> trial.part().equals(part))
                .map(Trial::variant)
                .distinct()
                .toList();
    }

    /** The trials of a variant, one a seed. */
    public List<Trial> of(String part, String variant) {
        return all.stream()
                .filter(trial -> trial.part().equals(part) && trial.variant().equals(variant))
                .toList();
    }

    /** A quantity over the seeds. */
    public Spread spread(String part, String variant, Quantity quantity) {
        return Spread.of(of(part, variant).stream()
                .map(trial -> trial.values().get(quantity.key()))
                .filter(Objects::nonNull)
                .mapToDouble(value -> value)
                .filter(Double::isFinite)
                .toArray());
    }

    /** Its mean over the seeds. */
    public double mean(String part, String variant, Quantity quantity) {
        return spread(part, variant, quantity).mean();
    }

    /** How much more of a quantity one variant has than another, seed by seed. */
    public Contrast contrast(String part, String variant, String than, Quantity quantity) {
        return new Contrast(Spread.of(of(part, variant).stream()
                .mapToDouble(trial -> of(part, than).stream()
                        .filter(other -> other.seed() == trial.seed())
                        .mapToDouble(other -> value(trial, quantity) - value(other, quantity))
                        .findFirst()
                        .orElse(Double.NaN))
                .filter(Double::isFinite)
                .toArray()));
    }

    private static double value(Trial trial, Quantity quantity) {
        return trial.values().getOrDefault(quantity.key(), Double.NaN);
    }

    /**
     * Those of some variants that the seeds tell to be better than another one, the best first.
     *
     * @param more whether more of the quantity is better
     */
    public List<String> better(List<String> variants, String part, String than, Quantity quantity, boolean more) {
        return variants.stream()
                .filter(v -> {
                    Contrast contrast = contrast(part, v, than, quantity);
                    return more ? contrast.more() : contrast.less();
                })
                .sorted(Comparator.comparingDouble(v -> (more ? -1 : 1) * mean(part, v, quantity)))
                .toList();
    }

    /** A curve over the seeds: at each place of the first trial's, the values of all that have that place. */
    public List<Spread> curve(String part, String variant, String name) {
        List<Trial.Curve> curves = of(part, variant).stream()
                .map(trial -> trial.curves().get(name))
                .filter(Objects::nonNull)
                .toList();
        if (curves.isEmpty()) {
            return List.of();
        }
        int places = curves.stream().mapToInt(curve -> curve.x().length).min().orElseThrow();
        return IntStream.range(0, places)
                .mapToObj(i -> Spread.of(
                        curves.stream().mapToDouble(curve -> curve.y()[i]).toArray()))
                .toList();
    }

    /** A curve over the seeds with its places, as points of a chart. */
    public List<Chart.Point> points(String part, String variant, String name) {
        double[] places = of(part, variant).stream()
                .map(trial -> trial.curves().get(name))
                .filter(Objects::nonNull)
                .findFirst()
                .map(Trial.Curve::x)
                .orElse(new double[0]);
        List<Spread> spreads = curve(part, variant, name);
        return IntStream.range(0, spreads.size())
                .mapToObj(i -> Chart.Point.of(places[i], spreads.get(i)))
                .toList();
    }
}
