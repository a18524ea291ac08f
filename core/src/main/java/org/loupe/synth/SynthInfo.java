package org.loupe.synth;

import org.loupe.io.Provenance;

/**
 * What a folder of made rows holds: {@code synth.json}.
 *
 * @param l0 mean number of active features of an evaluation row
 * @param fvuFloor σ² d / E‖x − x̄‖² on the evaluation rows: the FVU of a reconstruction that lacks nothing but the noise
 * @param coherence largest |cosine| of two directions; 0 where there is one
 */
public record SynthInfo(SynthConfig config, double l0, double fvuFloor, double coherence, Provenance provenance) {}
