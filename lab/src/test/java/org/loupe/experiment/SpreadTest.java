package org.loupe.experiment;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

final class SpreadTest {
    private static final Quantity FVU = new Quantity("fvu", "FVU", "", "");

    /** Student's t with two degrees of freedom has its 97.5 % quantile at 4.302653 (any table). */
    @Test
    void theIntervalIsStudents() {
        Spread spread = Spread.of(1, 2, 3);
        assertEquals(2, spread.mean());
        assertEquals(1, spread.low());
        assertEquals(3, spread.high());
        assertEquals(4.302653 / Math.sqrt(3), spread.error(), 1e-5);
    }

    @Test
    void oneSeedHasNoInterval() {
        assertEquals(Double.NaN, Spread.of(5).error());
        assertEquals(Double.NaN, Spread.of().mean());
        assertEquals(Contrast.Direction.UNCLEAR, new Contrast(Spread.of(-5)).direction());
    }

    @Test
    void aDifferenceIsTakenSeedBySeed() {
        // Seeds differ by far more than variants do: unpaired, nothing could be told.
        Trials trials = new Trials(List.of(
                trial("a", 0, 10),
                trial("a", 1, 20),
                trial("a", 2, 30),
                trial("b", 0, 9.1),
                trial("b", 1, 19),
                trial("b", 2, 28.9),
                trial("b", 3, 0)));
        Contrast contrast = trials.contrast("world", "b", "a", FVU);
        assertEquals(3, contrast.difference().count());
        assertEquals(-1, contrast.difference().mean(), 1e-9);
        assertTrue(contrast.less());
        assertEquals("−1.00 ± 0.248", contrast.text());
        assertTrue(trials.contrast("world", "a", "b", FVU).more());
    }

    @Test
    void whatIsNotMeasuredIsLeftOut() {
        Trials trials = new Trials(List.of(trial("a", 0, 1), new Trial("world", "a", 1, 0, Map.of(), Map.of())));
        assertEquals(1, trials.spread("world", "a", FVU).count());
        assertEquals(0, trials.contrast("world", "a", "b", FVU).difference().count());
    }

    private static Trial trial(String variant, int seed, double fvu) {
        return new Trial("world", variant, seed, 1, Map.of(FVU.key(), fvu), Map.of());
    }

    @Test
    void numbersHaveThreeDigits() {
        assertEquals("0.0123", Say.number(0.012345));
        assertEquals("−12.3", Say.number(-12.345));
        assertEquals("12,346", Say.number(12345.6));
        assertEquals("1.2e−05", Say.number(0.00001234));
        assertEquals("–", Say.number(Double.NaN));
        assertEquals("0", Say.number(0));
        assertEquals("−10 %", Say.change(0.9, 1));
        assertEquals("a, b and c", Say.list(List.of("a", "b", "c")));
    }
}
