package org.loupe.sae;

import java.util.Map;
import org.loupe.io.Provenance;

/**
 * What {@code loupe.json} says about an SAE beside its weights.
 *
 * @param hookIn hook point whose rows it reads; empty for rows of unknown origin
 * @param hookOut hook point whose rows it writes; equal to hookIn for an autoencoder
 * @param training the full training configuration
 * @param metrics results measured so far, by name
 */
public record SaeInfo(
        Provenance provenance,
        String hookIn,
        String hookOut,
        Map<String, Object> training,
        Map<String, Object> metrics) {}
