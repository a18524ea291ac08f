package org.loupe.train;

/** Arithmetic of the encoder's product. Winners, values, gradients and updates are f32 in both, and the same to the bit. */
public enum Precision {
    /** f32, pure Java. */
    F32,
    /** A low-precision product proposes, certified; where the processor or the class path offers none, f32. */
    FAST
}
