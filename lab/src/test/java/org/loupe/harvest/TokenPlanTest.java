package org.loupe.harvest;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.loupe.activations.DocumentTable;
import org.loupe.io.BadInput;
import org.loupe.lm.TokenBatch;
import org.loupe.text.Corpus;
import org.loupe.text.Document;

class TokenPlanTest {
    private static Corpus corpus(List<Integer> lengths) {
        List<Document> documents = new ArrayList<>();
        for (int i = 0; i < lengths.size(); i++) {
            documents.add(new Document(String.valueOf((char) ('a' + i % 26)).repeat(lengths.get(i)), "" + i));
        }
        return new Corpus.InMemory("lengths", documents);
    }

    private static TokenPlan plan(Corpus corpus, int context, long tokens) {
        return TokenPlan.of(corpus, ToyModel::encode, new int[] {1}, context, tokens, done -> {});
    }

    /** Every document is in the rows exactly once, whole or as its pieces in order, and alone in its segment. */
    @Property(tries = 200)
    void rowsHoldEveryDocumentOnce(
            @ForAll @Size(min = 1, max = 200) List<@IntRange(min = 1, max = 60) Integer> lengths,
            @ForAll @IntRange(min = 2, max = 40) int context) {
        Corpus corpus = corpus(lengths);
        TokenPlan plan = plan(corpus, context, Long.MAX_VALUE);
        Iterator<DocumentTable.Document> table = plan.table(corpus, ToyModel::decode);
        StringBuilder[] found = new StringBuilder[lengths.size()];
        int document = 0;
        for (int row = 0; row < plan.rows(); row++) {
            TokenBatch batch = plan.batch(row, row + 1);
            int[] segments = java.util.Objects.requireNonNull(batch.segments());
            assertEquals(1, batch.ids()[0]);
            assertEquals(0, segments[0]);
            assertEquals(document, plan.firstDocument(row));
            for (int at = 1; at < context && segments[at] > 0; document++) {
                DocumentTable.Document entry = table.next();
                int source = Integer.parseInt(entry.label());
                StringBuilder text = found[source] == null ? new StringBuilder() : found[source];
                found[source] = text.append(entry.text());
                for (int token : entry.tokens()) {
                    assertEquals(token, batch.ids()[at]);
                    assertEquals(document - plan.firstDocument(row) + 1, segments[at]);
                    at++;
                }
            }
        }
        for (int i = 0; i < lengths.size(); i++) {
            assertEquals(corpus.get(i).text(), String.valueOf(found[i]));
        }
        assertEquals(lengths.stream().mapToInt(n -> n).sum(), plan.tokens(0, plan.rows()));
    }

    @Test
    void aLongDocumentIsCutIntoPiecesThatFillRows() {
        TokenPlan plan = plan(corpus(List.of(25)), 11, 1000);
        assertEquals(3, plan.rows());
        assertEquals(
                List.of(10, 10, 5), List.of(plan.tokensOf(0).length, plan.tokensOf(1).length, plan.tokensOf(2).length));
        assertEquals(5.0 / 30, plan.padding(), 1e-12);
    }

    @Test
    void documentsAreTakenUntilThereAreEnoughTokens() {
        TokenPlan plan = plan(corpus(List.of(5, 5, 5, 5)), 21, 11);
        assertEquals(3, plan.corpusDocuments());
        assertEquals(15, plan.tokens(0, plan.rows()));
        assertArrayEquals(
                new int[] {0, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5},
                java.util.Arrays.copyOf(plan.batch(0, 1).positions(), 11));
    }

    @Test
    void openRowsLeaveLittlePadding() {
        TokenPlan plan = TokenPlan.of(ToyModel.corpus(3000), ToyModel::encode, new int[] {1}, 128, 60_000, done -> {});
        assertTrue(plan.padding() < 0.02, "padding " + plan.padding());
    }

    @Test
    void textWithoutTokensIsRefused() {
        Corpus blank = new Corpus.InMemory("nothing", List.of(new Document("", "")));
        String message = String.valueOf(
                assertThrows(BadInput.class, () -> plan(blank, 10, 10)).getMessage());
        assertTrue(message.contains("'nothing' has no tokens"), message);
    }

    @Test
    void theHashTellsPlansApart() {
        Corpus corpus = corpus(List.of(5, 6, 7));
        assertEquals(plan(corpus, 12, 100).sha256(), plan(corpus, 12, 100).sha256());
        assertTrue(!plan(corpus, 12, 100).sha256().equals(plan(corpus, 20, 100).sha256()));
        assertTrue(!plan(corpus, 12, 100).sha256().equals(plan(corpus, 12, 11).sha256()));
    }
}
