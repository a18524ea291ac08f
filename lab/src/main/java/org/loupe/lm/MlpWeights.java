package org.loupe.lm;

import org.loupe.tensor.Matrix;

/**
 * The weights of a block's MLP from ln2.hook_normalized to hook_mlp_out: Σ_n silu(⟨gate_n , x⟩) ⟨up_n , x⟩ write_n.
 *
 * @param gate [MLP width × width], the gain of the norm in it
 * @param up [MLP width × width], likewise
 * @param write [MLP width × width]
 */
public record MlpWeights(Matrix gate, Matrix up, Matrix write) {}
