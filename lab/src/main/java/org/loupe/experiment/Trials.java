package org.loupe.experiment;

import java.util.List;
import java.util.Objects;

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
    public Spread spread(String part, String variant, String quantity) {
        return Spread.of(of(part, variant).stream()
                .map(trial -> trial.values().get(quantity))
                .filter(Objects::nonNull)
                .mapToDouble(value -> value)
                .filter(Double::isFinite)
                .toArray());
    }

    /** How much more of a quantity one variant has than another, seed by seed. */
    public Contrast contrast(String part, String variant, String than, String quantity) {
        return new Contrast(Spread.of(of(part, variant).stream()
                .mapToDouble(trial -> of(part, than).stream()
                        .filter(other -> other.seed() == trial.seed())
                        .mapToDouble(other -> value(trial, quantity) - value(other, quantity))
                        .findFirst()
                        .orElse(Double.NaN))
                .filter(Double::isFinite)
                .toArray()));
    }

    private static double value(Trial trial, String quantity) {
        return trial.values().getOrDefault(quantity, Double.NaN);
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
        return java.util.stream.IntStream.range(0, places)
                .mapToObj(i -> Spread.of(
                        curves.stream().mapToDouble(curve -> curve.y()[i]).toArray()))
                .toList();
    }

    /** The places of a curve. */
    public double[] places(String part, String variant, String name) {
        return of(part, variant).stream()
                .map(trial -> trial.curves().get(name))
                .filter(Objects::nonNull)
                .findFirst()
                .map(Trial.Curve::x)
                .orElse(new double[0]);
    }
}
