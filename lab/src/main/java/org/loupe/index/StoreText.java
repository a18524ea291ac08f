package org.loupe.index;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.loupe.activations.ActivationStore;
import org.loupe.activations.DocumentTable;

/**
 * The text behind a store's rows, in memory: 8 bytes a row and 4 a token.
 *
 * @param document document number of each row
 * @param position position of each row in its document, the prefix counted
 * @param prefix tokens before every document
 * @param tokens token ids of each document, dropped rows included, without the prefix
 * @param category category of each document as an index into {@code categories}; −1 where it has none or no row
 * @param categories the categories' names, sorted
 */
public record StoreText(
        int[] document, int[] position, int prefix, int[][] tokens, int[] category, List<String> categories) {
    public static StoreText read(ActivationStore store) {
        int rows = Math.toIntExact(store.rows());
        int[] document = store.documents(0, rows);
        DocumentTable table = store.documents();
        boolean[] hasRows = new boolean[table.size()];
        for (int d : document) {
            hasRows[d] = true;
        }
        int[][] tokens = new int[table.size()][];
        String[] label = new String[table.size()];
        Map<String, Integer> known = new TreeMap<>();
        for (int d = 0; d < tokens.length; d++) {
            DocumentTable.Document read = table.get(d);
            tokens[d] = read.tokens();
            label[d] = hasRows[d] ? read.label() : "";
            if (!label[d].isEmpty()) {
                known.put(label[d], 0);
            }
        }
        List<String> categories = List.copyOf(known.keySet());
        for (int c = 0; c < categories.size(); c++) {
            known.put(categories.get(c), c);
        }
        int[] category = new int[tokens.length];
        Arrays.setAll(category, d -> known.getOrDefault(label[d], -1));
        return new StoreText(
                document, store.positions(0, rows), store.info().prefix().size(), tokens, category, categories);
    }

    int documents() {
        return tokens.length;
    }

    /** Index of a row's token in its document's {@link #tokens}; negative for a row of the prefix. */
    int tokenOf(int row) {
        return position[row] - prefix;
    }

    /** Name of a document's category, or empty. */
    String categoryOf(int doc) {
        return category[doc] < 0 ? "" : categories.get(category[doc]);
    }
}
