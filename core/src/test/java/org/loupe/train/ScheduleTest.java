package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.LongRange;

class ScheduleTest {
    @Example
    void aRiseThePeakAndAFall() {
        Schedule schedule = new Schedule(0.5, 10, 4, 5);
        double[] shares = {1 / 4.0, 2 / 4.0, 3 / 4.0, 1, 1, 1, 4 / 5.0, 3 / 5.0, 2 / 5.0, 1 / 5.0};
        for (int step = 1; step <= 10; step++) {
            assertEquals(0.5 * shares[step - 1], schedule.at(step), 1e-12, "step " + step);
        }
    }

    @Property
    void theRateIsPositiveAndNeverAboveThePeak(
            @ForAll @LongRange(min = 1, max = 500) long steps,
            @ForAll @DoubleRange(min = 0, max = 1) double warmup,
            @ForAll @DoubleRange(min = 0, max = 1) double decay) {
        TrainConfig config = ConfigReader.read(
                TrainConfig.DEFAULT, null, List.of("optimizer.warmup=" + warmup, "optimizer.decay=" + decay));
        Schedule schedule = Schedule.of(config, steps);
        for (long step = 1; step <= steps; step++) {
            double rate = schedule.at(step);
            assertTrue(rate > 0 && rate <= config.peakLearningRate(steps), "step " + step + ": " + rate);
        }
    }
}
