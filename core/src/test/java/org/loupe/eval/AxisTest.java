package org.loupe.eval;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

class AxisTest {
    private static List<String> labels(Axis axis) {
        return axis.ticks().stream().map(axis::label).toList();
    }

    @Test
    void linearAxesEndAtWholeTicks() {
        Axis axis = Axis.linear(0, 0.43, 100, 200);
        assertEquals(List.of("0", "0.1", "0.2", "0.3", "0.4", "0.5"), labels(axis));
        assertEquals(100, axis.at(0));
        assertEquals(150, axis.at(0.25), 1e-9);
        assertEquals(200, axis.at(9), "beyond the end");
        assertEquals(List.of("0", "500k", "1M", "1.5M", "2M"), labels(Axis.linear(0, 2_000_000, 0, 1)));
    }

    @Test
    void logarithmicAxesMarkPowersOrTheirFractions() {
        Axis wide = Axis.decades(-5, -1, 0, 400);
        assertEquals(List.of("10⁻⁵", "10⁻⁴", "10⁻³", "10⁻²", "0.1"), labels(wide));
        assertEquals(200, wide.at(1e-3), 1e-9);
        assertEquals(List.of("0.5", "1", "2", "5", "10"), labels(Axis.decades(-0.4, 1, 0, 1)));
    }

    @Test
    void anEmptyRangeStillHasAnAxis() {
        assertEquals(List.of("3", "3.2", "3.4", "3.6", "3.8", "4"), labels(Axis.linear(3, 3, 0, 1)));
    }
}
