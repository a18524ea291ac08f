package org.loupe.train;

/** The linear map that rows pass before training. */
public enum Whitening {
    /** One factor for all columns. */
    NONE,
    /** A factor for each of the hook points whose rows stand side by side; the same as none where there is one. */
    PARTS,
    /** (Σ + εI)^−½ of the covariance Σ. */
    FULL
}
