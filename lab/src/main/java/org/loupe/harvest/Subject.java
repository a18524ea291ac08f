package org.loupe.harvest;

import java.util.function.Function;
import org.loupe.lm.TokenBatch;
import org.loupe.tensor.Matrix;

/**
 * What harvesting needs of a model: its identity, its tokeniser and its rows at the hook point.
 *
 * @param name the model's name
 * @param sha256 hash of its weights
 * @param precision precision it runs in
 * @param width width of the rows
 * @param prefix tokens that go before every document
 * @param encode text to token ids
 * @param decode token ids to text
 * @param forward the rows of a batch, {@code [sequences · length × width]}
 */
record Subject(
        String name,
        String sha256,
        String precision,
        int width,
        int[] prefix,
        Function<String, int[]> encode,
        Function<int[], String> decode,
        Function<TokenBatch, Matrix> forward) {}
