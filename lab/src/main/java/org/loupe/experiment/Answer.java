package org.loupe.experiment;

import java.util.ArrayList;
import java.util.List;

/**
 * What an experiment has to say.
 *
 * @param setting what was done, one paragraph
 * @param figures each with its message in its title
 * @param tables the figures as numbers
 * @param verdict two sentences, with their uncertainty
 * @param wouldChange what would change it
 */
public record Answer(String setting, List<Figure> figures, List<Table> tables, String verdict, String wouldChange) {
    /**
     * A plot.
     *
     * @param name of its file, without an ending
     * @param message what it shows, a sentence made from its numbers
     * @param detail how to read it
     * @param svg a file of its own
     */
    public record Figure(String name, String message, String detail, String svg) {
        /** A drawing under its message. */
        public static Figure of(String name, String message, String detail, Drawing drawing) {
            return new Figure(name, message, detail, drawing.svg(message));
        }
    }

    /**
     * A table.
     *
     * @param rows as wide as the columns, the first column naming the row
     */
    public record Table(String title, List<String> columns, List<List<String>> rows) {
        /** Variants of a part down, quantities that any of them has across. */
        public static Table of(String title, Trials trials, String part, List<Quantity> quantities) {
            List<String> variants = trials.variants(part);
            List<Quantity> there = quantities.stream()
                    .filter(q -> variants.stream()
                            .anyMatch(v -> trials.spread(part, v, q).count() > 0))
                    .toList();
            List<String> columns = new ArrayList<>(List.of(""));
            there.forEach(q -> columns.add(q.axis()));
            return new Table(
                    title,
                    columns,
                    variants.stream()
                            .map(v -> {
                                List<String> row = new ArrayList<>(List.of(v));
                                there.forEach(q -> row.add(Say.spread(trials.spread(part, v, q))));
                                return row;
                            })
                            .toList());
        }
    }
}
