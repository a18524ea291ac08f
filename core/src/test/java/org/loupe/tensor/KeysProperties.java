package org.loupe.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.IntRange;

class KeysProperties {
    /** All floats but NaN, with duplicates, both zeros, infinities and subnormals often. */
    @Provide
    Arbitrary<Float> value() {
        return Arbitraries.oneOf(
                Arbitraries.of(
                        0.0f,
                        -0.0f,
                        1.0f,
                        -1.0f,
                        Float.POSITIVE_INFINITY,
                        Float.NEGATIVE_INFINITY,
                        Float.MIN_VALUE,
                        -Float.MIN_VALUE,
                        Float.MAX_VALUE,
                        Math.nextUp(1.0f)),
                Arbitraries.integers().map(Float::intBitsToFloat).filter(f -> !Float.isNaN(f)));
    }

    @Provide
    Arbitrary<List<Float>> values() {
        return value().list().ofMinSize(1).ofMaxSize(400);
    }

    @Property
    void aPairComesBack(@ForAll("value") float value, @ForAll @IntRange(min = 0) int index) {
        long key = Keys.of(value, index);
        assertEquals(index, Keys.index(key));
        assertEquals(value + 0.0f, Keys.value(key), "negative zero becomes zero, all else keeps its bits");
    }

    @Property
    void theOrderIsByValueThenTheLowerIndex(
            @ForAll("value") float a,
            @ForAll @IntRange(min = 0) int i,
            @ForAll("value") float b,
            @ForAll @IntRange(min = 0) int j) {
        int expected = a == b ? Integer.compare(j, i) : a < b ? -1 : 1;
        assertEquals(expected, Long.compare(Keys.of(a, i), Keys.of(b, j)));
    }

    @Property
    void selectionEqualsSorting(
            @ForAll("values") List<Float> values,
            @ForAll @IntRange(min = 0, max = 399) int choice,
            @ForAll @IntRange(min = 0, max = 20) int beyond) {
        int n = values.size();
        int k = 1 + choice % n;
        long[] keys = new long[n + beyond];
        Arrays.fill(keys, Long.MAX_VALUE);
        for (int i = 0; i < n; i++) {
            keys[i] = Keys.of(values.get(i), i);
        }
        long[] sorted = Arrays.copyOf(keys, n);
        Arrays.sort(sorted);
        Keys.selectLargest(keys, n, k);

        assertEquals(sorted[n - k], keys[k - 1], "the smallest of the k largest is in place k - 1");
        long[] front = Arrays.copyOf(keys, k);
        Arrays.sort(front);
        assertArrayEquals(Arrays.copyOfRange(sorted, n - k, n), front);
        long[] all = Arrays.copyOf(keys, n);
        Arrays.sort(all);
        assertArrayEquals(sorted, all, "no key is lost");
        for (int i = n; i < keys.length; i++) {
            assertEquals(Long.MAX_VALUE, keys[i], "beyond n nothing is touched");
        }
    }
}
