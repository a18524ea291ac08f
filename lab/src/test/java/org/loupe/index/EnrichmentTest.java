package org.loupe.index;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.loupe.io.Json;
import tools.jackson.databind.JsonNode;

class EnrichmentTest {
    /** Numbers by scripts/reference/enrichment.py. */
    @Test
    void upperTailEqualsExactRationalsAndScipy() throws IOException {
        JsonNode cases;
        try (InputStream in = EnrichmentTest.class.getResourceAsStream("/index/enrichment.json")) {
            cases = Json.MAPPER.readTree(in).get("cases");
        }
        assertEquals(17, cases.size());
        for (JsonNode c : cases) {
            double found = Enrichment.logUpperTail(
                            c.get("population").asInt(),
                            c.get("successes").asInt(),
                            c.get("draws").asInt(),
                            c.get("hits").asInt())
                    / Math.log(10);
            assertEquals(c.get("log10_p").asDouble(), found, 1e-12, c.toString());
            assertEquals(c.get("log10_p_scipy").asDouble(), found, 1e-9, c.toString());
        }
    }

    /** 3 of 10 drawn, 4 of the 10 are of the category: P(X ≥ 2) = (6 · 6 + 4) / 120. */
    @Test
    void upperTailByHand() {
        assertEquals(Math.log(1 / 3.0), Enrichment.logUpperTail(10, 4, 3, 2), 1e-14);
        assertEquals(0, Enrichment.logUpperTail(10, 4, 3, 0));
        assertEquals(0, Enrichment.logUpperTail(10, 8, 3, 1), "three of ten cannot miss eight");
        assertEquals(Double.NEGATIVE_INFINITY, Enrichment.logUpperTail(10, 2, 3, 3));
    }

    @Test
    void bestCountsOnlyDocumentsThatHaveACategory() {
        int[] category = new int[1000];
        Arrays.setAll(category, d -> d < 100 ? 0 : d < 900 ? 1 : -1);
        Enrichment.Base base = Enrichment.Base.of(category, 2);
        assertEquals(900, base.total());
        Enrichment.Best best = Enrichment.best(new int[] {0, 1, 2, 3, 200, 950}, category, base);
        assertNotNull(best);
        assertEquals(0, best.category());
        assertEquals(4, best.enrichment().hits());
        assertEquals(5, best.enrichment().drawn());
        assertEquals(0.8 / (100 / 900.0), best.enrichment().lift(), 1e-12);
        assertNull(Enrichment.best(new int[] {950, 951}, category, base));
    }

    @Test
    void aClearLabelNeedsBothLiftAndSignificance() {
        assertTrue(new Enrichment(15, 50, 0.02, 15, -14.4).clear(45));
        assertFalse(new Enrichment(50, 50, 0.5, 2, -15).clear(45), "lift 2");
        assertFalse(new Enrichment(6, 50, 0.02, 6, -7.6).clear(45), "1e-6/45 is 10^-7.65");
        assertTrue(new Enrichment(6, 50, 0.02, 6, -7.66).clear(45));
    }
}
