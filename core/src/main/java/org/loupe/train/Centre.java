package org.loupe.train;

/** Where b_dec starts. */
public enum Centre {
    /** The mean of a sample of rows. */
    MEAN,
    /** Its geometric median (Weiszfeld), which a few large rows cannot pull away. */
    GEOMETRIC_MEDIAN
}
