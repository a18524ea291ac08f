package org.loupe.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;

class BFloat16Test {
    @Test
    void everyBfloat16IsItsOwnRounding() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            float value = BFloat16.toFloat((short) bits);
            if (Float.isNaN(value)) {
                assertTrue(Float.isNaN(BFloat16.toFloat(BFloat16.fromFloat(value))));
            } else {
                assertEquals((short) bits, BFloat16.fromFloat(value));
            }
        }
    }

    /** The rounding is the nearer of the two neighbours, the even one in a tie; neighbours found by scanning the bits. */
    @Property
    void roundsToTheNearestTiesToEven(@ForAll float value) {
        if (Float.isNaN(value)) {
            return;
        }
        int down = Float.floatToRawIntBits(value) >>> 16;
        double below = BFloat16.toFloat((short) down);
        double above = beyond(down);
        double toBelow = Math.abs(value - below);
        double toAbove = Math.abs(above - value);
        int expected = toBelow < toAbove || (toBelow == toAbove && down % 2 == 0) ? down : down + 1;
        assertEquals((short) (Float.isInfinite(value) ? down : expected), BFloat16.fromFloat(value));
    }

    /** The next bfloat16 away from zero; beyond the largest one 2¹²⁸ stands for infinity. */
    private static double beyond(int bits) {
        float next = BFloat16.toFloat((short) (bits + 1));
        return Float.isInfinite(next) || Float.isNaN(next) ? Math.copySign(Math.pow(2, 128), next) : next;
    }
}
