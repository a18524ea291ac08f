package org.loupe.synth;

/** Small worlds for tests. */
final class Worlds {
    /** 12 features in 8 dimensions, 2,500 + 1,500 rows, all independent, without noise. */
    static final SynthConfig SMALL =
            new SynthConfig(12, 8, 2500, 1500, Firing.FLAT, 3, 1, Magnitude.UNIFORM, 0, 4, 0, 0, false, 0, 5);

    private Worlds() {}

    static SynthConfig rows(SynthConfig c, long rows, int evalRows) {
        return with(c, c.features(), c.width(), rows, evalRows, c.seed());
    }

    static SynthConfig seed(SynthConfig c, long seed) {
        return with(c, c.features(), c.width(), c.rows(), c.evalRows(), seed);
    }

    static SynthConfig size(SynthConfig c, int features, int width) {
        return with(c, features, width, c.rows(), c.evalRows(), c.seed());
    }

    private static SynthConfig with(SynthConfig c, int features, int width, long rows, int evalRows, long seed) {
        return new SynthConfig(
                features,
                width,
                rows,
                evalRows,
                c.firing(),
                c.active(),
                c.zipfExponent(),
                c.magnitude(),
                c.correlation(),
                c.group(),
                c.children(),
                c.noise(),
                c.signed(),
                c.mean(),
                seed);
    }

    static SynthConfig law(SynthConfig c, Firing firing, double active, Magnitude magnitude, boolean signed) {
        return law(c, firing, active, c.zipfExponent(), magnitude, signed);
    }

    static SynthConfig zipf(SynthConfig c, double exponent, double active) {
        return law(c, Firing.ZIPF, active, exponent, c.magnitude(), c.signed());
    }

    private static SynthConfig law(
            SynthConfig c, Firing firing, double active, double exponent, Magnitude magnitude, boolean signed) {
        return new SynthConfig(
                c.features(),
                c.width(),
                c.rows(),
                c.evalRows(),
                firing,
                active,
                exponent,
                magnitude,
                c.correlation(),
                c.group(),
                c.children(),
                c.noise(),
                signed,
                c.mean(),
                c.seed());
    }

    static SynthConfig together(SynthConfig c, double correlation, int group, int children) {
        return new SynthConfig(
                c.features(),
                c.width(),
                c.rows(),
                c.evalRows(),
                c.firing(),
                c.active(),
                c.zipfExponent(),
                c.magnitude(),
                correlation,
                group,
                children,
                c.noise(),
                c.signed(),
                c.mean(),
                c.seed());
    }

    static SynthConfig shifted(SynthConfig c, double noise, double mean) {
        return new SynthConfig(
                c.features(),
                c.width(),
                c.rows(),
                c.evalRows(),
                c.firing(),
                c.active(),
                c.zipfExponent(),
                c.magnitude(),
                c.correlation(),
                c.group(),
                c.children(),
                noise,
                c.signed(),
                mean,
                c.seed());
    }
}
