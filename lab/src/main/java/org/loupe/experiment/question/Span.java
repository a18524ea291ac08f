package org.loupe.experiment.question;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.loupe.experiment.Say;

/** Values from one to another. */
record Span(double from, double to) {
    /** From the smallest to the largest of some. */
    static Span of(double... values) {
        return new Span(
                Arrays.stream(values).min().orElseThrow(),
                Arrays.stream(values).max().orElseThrow());
    }

    /** What lies in all of them. */
    static Optional<Span> common(List<Span> spans) {
        Span common = new Span(
                spans.stream().mapToDouble(Span::from).max().orElseThrow(),
                spans.stream().mapToDouble(Span::to).min().orElseThrow());
        return common.from <= common.to ? Optional.of(common) : Optional.empty();
    }

    @Override
    public String toString() {
        return from == to ? Say.number(from) : Say.number(from) + " to " + Say.number(to);
    }
}
