package org.loupe.app;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Tables and tokens on a terminal. */
final class TextTable {
    private static final int WIDEST_TOKEN = 16;

    private TextTable() {}

    /**
     * Lines with columns of one width.
     *
     * @param rows all with as many cells, the head first
     * @param left columns that begin at the left; all others end at the right
     */
    static List<String> aligned(List<List<String>> rows, Set<Integer> left) {
        int[] widths = new int[rows.getFirst().size()];
        rows.forEach(row -> {
            for (int c = 0; c < widths.length; c++) {
                widths[c] = Math.max(widths[c], row.get(c).length());
            }
        });
        List<String> lines = new ArrayList<>();
        for (List<String> row : rows) {
            StringBuilder line = new StringBuilder();
            for (int c = 0; c < widths.length; c++) {
                String space = " ".repeat(widths[c] - row.get(c).length());
                line.append(left.contains(c) ? row.get(c) + space : space + row.get(c))
                        .append("  ");
            }
            lines.add(line.toString().stripTrailing());
        }
        return lines;
    }

    /** A token's text with its spaces seen, cut where it is long. */
    static String token(String text) {
        String token = shown(text).replace(" ", "␣");
        return token.length() > WIDEST_TOKEN ? token.substring(0, WIDEST_TOKEN - 1) + "…" : token;
    }

    /** Text on one line. */
    static String shown(String text) {
        return text.replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥");
    }
}
