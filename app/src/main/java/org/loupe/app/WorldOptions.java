package org.loupe.app;

import org.jspecify.annotations.Nullable;
import org.loupe.synth.Firing;
import org.loupe.synth.Magnitude;
import org.loupe.synth.SynthConfig;
import org.loupe.synth.World;
import picocli.CommandLine.Option;

/** How rows are made: a named world, and the options that go over it. */
final class WorldOptions {
    @Option(
            names = "--world",
            paramLabel = "W",
            defaultValue = "easy",
            description = "easy, zipf, correlated, hierarchical or signed (default: ${DEFAULT-VALUE});"
                    + " the options below go over it.")
    private World world = World.EASY;

    @Option(names = "--features", paramLabel = "F", description = "True features (default: 256).")
    private @Nullable Integer features;

    @Option(names = "--d", paramLabel = "D", description = "Width of a row (default: 64).")
    private @Nullable Integer width;

    @Option(names = "--rows", paramLabel = "N", description = "Rows to train on (default: 196608).")
    private @Nullable Long rows;

    @Option(names = "--eval-rows", paramLabel = "N", description = "Rows to evaluate on (default: 16384).")
    private @Nullable Integer evalRows;

    @Option(names = "--firing", paramLabel = "LAW", description = "Firing probabilities: flat or zipf.")
    private @Nullable Firing firing;

    @Option(names = "--active", paramLabel = "X", description = "Mean active features of a row (default: 5.12).")
    private @Nullable Double active;

    @Option(names = "--zipf-exponent", paramLabel = "S", description = "Probabilities fall as rank^-S (default: 1).")
    private @Nullable Double zipfExponent;

    @Option(
            names = "--magnitude",
            paramLabel = "LAW",
            description = "Strengths, of mean 1/2: uniform (default), exponential, halfnormal or constant.")
    private @Nullable Magnitude magnitude;

    @Option(
            names = "--correlation",
            paramLabel = "R",
            description = "Correlation of the firing of two features of a group, 0 to 1.")
    private @Nullable Double correlation;

    @Option(names = "--group", paramLabel = "G", description = "Features of a group (default: 4).")
    private @Nullable Integer group;

    @Option(
            names = "--children",
            paramLabel = "C",
            description = "Children of each parent; a child fires only where its parent does. 0: no hierarchy.")
    private @Nullable Integer children;

    @Option(names = "--hierarchy", description = "Short for --children 3.")
    private boolean hierarchy;

    @Option(names = "--noise", paramLabel = "X", description = "Deviation of the noise (default: 0.01).")
    private @Nullable Double noise;

    @Option(names = "--signed", description = "Give each strength a random sign.")
    private boolean signed;

    @Option(names = "--mean", paramLabel = "X", description = "Norm of an offset that all rows have (default: 0).")
    private @Nullable Double mean;

    @Option(names = "--seed", paramLabel = "N", description = "The same seed gives the same bits (default: 0).")
    private @Nullable Long seed;

    SynthConfig config() {
        SynthConfig base = world.config();
        int family = hierarchy ? World.HIERARCHICAL.config().children() : base.children();
        return new SynthConfig(
                or(features, base.features()),
                or(width, base.width()),
                or(rows, base.rows()),
                or(evalRows, base.evalRows()),
                or(firing, base.firing()),
                or(active, base.active()),
                or(zipfExponent, base.zipfExponent()),
                or(magnitude, base.magnitude()),
                or(correlation, base.correlation()),
                or(group, base.group()),
                or(children, family),
                or(noise, base.noise()),
                signed || base.signed(),
                or(mean, base.mean()),
                or(seed, base.seed()));
    }

    private static <T> T or(@Nullable T given, T base) {
        return given == null ? base : given;
    }
}
