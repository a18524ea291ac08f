package org.loupe.harvest;

import java.util.List;
import java.util.function.Function;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/**
 * What harvesting needs of a model: its identity, its tokeniser and its rows at the hook points.
 *
 * @param name the model's name
 * @param sha256 hash of its weights
 * @param precision precision it runs in
 * @param widths width of the rows at each hook point: the inputs, then the target where there is one
 * @param prefix tokens that go before every document
 * @param encode text to token ids
 * @param decode token ids to text
 * @param forward the rows of a batch at each hook point, {@code [sequences · length × width]}
 */
record Subject(
        String name,
        String sha256,
        String precision,
        List<Integer> widths,
        int[] prefix,
        Function<String, int[]> encode,
        Function<int[], String> decode,
        Function<TokenBatch, List<Matrix>> forward) {}
