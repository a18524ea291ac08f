package org.loupe.lm;

/**
 * What a model has written.
 *
 * @param ids token ids
 * @param logProbabilities log p of each, nats, as the run that chose it gave it (of the whole distribution, whatever the
 *     temperature)
 */
public record Continuation(int[] ids, float[] logProbabilities) {}
