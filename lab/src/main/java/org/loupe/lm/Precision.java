package org.loupe.lm;

import org.bytedeco.pytorch.global.torch;

/** The number format of a model's weights and activations. */
public enum Precision {
    F32(torch.ScalarType.Float),
    BF16(torch.ScalarType.BFloat16);

    private final torch.ScalarType scalarType;

    Precision(torch.ScalarType scalarType) {
        this.scalarType = scalarType;
    }

    torch.ScalarType scalarType() {
        return scalarType;
    }
}
