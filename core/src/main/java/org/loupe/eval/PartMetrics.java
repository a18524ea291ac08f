package org.loupe.eval;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.loupe.activations.RowSource;
import org.loupe.tensor.Matrix;
import org.loupe.tensor.Workers;

/** {@link RowMetrics} of each hook point apart, where the rows of several stand side by side. */
final class PartMetrics {
    static final PartMetrics NONE = new PartMetrics(List.of(), List.of());

    private final List<String> names;
    private final List<Integer> widths;
    private final List<RowMetrics> metrics = new ArrayList<>();

    private PartMetrics(List<String> names, List<Integer> widths) {
        this.names = names;
        this.widths = widths;
        widths.forEach(width -> metrics.add(new RowMetrics(width)));
    }

    /** Of a source's parts, by their hook points; none where there is one part. */
    static PartMetrics of(RowSource source) {
        List<Integer> widths = source.parts();
        if (widths.size() == 1) {
            return NONE;
        }
        List<String> hooks = List.of(source.provenance().hook().split("\\+", -1));
        List<String> names = new ArrayList<>();
        for (int p = 0; p < widths.size(); p++) {
            names.add(hooks.size() == widths.size() ? hooks.get(p) : "part " + (p + 1));
        }
        return new PartMetrics(names, widths);
    }

    void add(Matrix x, Matrix reconstruction, Workers workers) {
        int from = 0;
        for (int p = 0; p < metrics.size(); p++) {
            int width = widths.get(p);
            metrics.get(p).add(x.columns(from, width), reconstruction.columns(from, width), workers);
            from += width;
        }
    }

    /** Figures by hook point. */
    Map<String, Scores> scores() {
        Map<String, Scores> scores = new LinkedHashMap<>();
        for (int p = 0; p < metrics.size(); p++) {
            scores.put(names.get(p), metrics.get(p).scores());
        }
        return scores;
    }
}
