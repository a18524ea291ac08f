package org.loupe.synth;

import com.fasterxml.jackson.annotation.JsonProperty;

/** How the firing probabilities fall from one feature to the next, before they are scaled to the mean number that is wanted. */
public enum Firing {
    /** All alike. */
    @JsonProperty("flat")
    FLAT,
    /** Of rank r, from 1, in proportion to r^−exponent. */
    @JsonProperty("zipf")
    ZIPF
}
