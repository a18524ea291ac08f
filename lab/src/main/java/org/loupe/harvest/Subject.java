package org.loupe.harvest;

import java.util.List;
import java.util.function.Function;

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
 * @param forward runs a batch
 */
record Subject(
        String name,
        String sha256,
        String precision,
        List<Integer> widths,
        int[] prefix,
        Function<String, int[]> encode,
        Function<int[], String> decode,
        Forward forward) {}
