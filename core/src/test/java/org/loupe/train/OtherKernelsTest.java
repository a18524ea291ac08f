package org.loupe.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.platform.engine.discovery.DiscoverySelectors.selectClass;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.engine.JupiterTestEngine;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.platform.launcher.core.LauncherConfig;
import org.junit.platform.launcher.core.LauncherDiscoveryRequestBuilder;
import org.junit.platform.launcher.core.LauncherFactory;
import org.junit.platform.launcher.listeners.SummaryGeneratingListener;
import org.junit.platform.launcher.listeners.TestExecutionSummary;
import org.loupe.tensor.Kernels;
import org.loupe.tensor.KernelsTest;
import org.loupe.tensor.VectorKernels;

/** The kernels of other processors, in a virtual machine that is told to do without this one's. */
class OtherKernelsTest {
    @TempDir
    Path folder;

    /** The child: runs the kernels' own tests where they are vector kernels, then trains in the folder that it is given. */
    public static void main(String[] args) {
        System.out.println(Kernels.BEST.describe());
        if (Kernels.BEST instanceof VectorKernels) {
            TestExecutionSummary tests = kernelsTest();
            tests.printFailuresTo(new PrintWriter(System.out, true, StandardCharsets.UTF_8), 3);
            if (tests.getTestsSucceededCount() < 100 || tests.getTotalFailureCount() > 0) {
                System.exit(1);
            }
        }
        System.out.println(fvu(Path.of(args[0])));
    }

    private static TestExecutionSummary kernelsTest() {
        SummaryGeneratingListener summary = new SummaryGeneratingListener();
        LauncherFactory.create(LauncherConfig.builder()
                        .enableTestEngineAutoRegistration(false)
                        .addTestEngines(new JupiterTestEngine())
                        .build())
                .execute(
                        LauncherDiscoveryRequestBuilder.request()
                                .selectors(selectClass(KernelsTest.class))
                                .build(),
                        summary);
        return summary.getSummary();
    }

    /** The FVU of the last ten steps of a whole run. */
    private static double fvu(Path out) {
        List<Double> fvu = new ArrayList<>();
        TrainRuns.train(
                out, TrainRuns.rows(), TrainRuns.config("tokens=" + 300 * 101, "input.encoder_norm=1"), event -> {
                    if (event instanceof TrainEvent.Stepped stepped) {
                        fvu.add(stepped.stats().fvu());
                    }
                });
        assertEquals(300, fvu.size());
        return fvu.subList(290, 300).stream().mapToDouble(f -> f).average().orElseThrow();
    }

    @ParameterizedTest(name = "{0}: {1}")
    @CsvSource({
        "-XX:UseAVX=2 --add-modules jdk.incubator.vector, '256-bit'",
        "-XX:MaxVectorSize=16 --add-modules jdk.incubator.vector, '128-bit'",
        "-Dno=vectors, 'scalar kernels'"
    })
    @Timeout(120)
    void computeTheSameAndTrainAsWell(String flags, String kernels) throws IOException, InterruptedException {
        String java = ProcessHandle.current().info().command().orElseThrow();
        List<String> command = new ArrayList<>(List.of(java, "-XX:+IgnoreUnrecognizedVMOptions", "-Xmx512m"));
        command.addAll(List.of(flags.split(" ")));
        command.addAll(List.of(
                "-cp",
                System.getProperty("surefire.test.class.path", System.getProperty("java.class.path")),
                OtherKernelsTest.class.getName(),
                folder.resolve("other").toString()));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        List<String> said = process.inputReader(StandardCharsets.UTF_8).lines().toList();
        assertEquals(0, process.waitFor(), String.join("\n", said));
        assertTrue(said.getFirst().contains(kernels), said.getFirst());
        double here = fvu(folder.resolve("here"));
        assertEquals(here, Double.parseDouble(said.getLast()), 1e-3 * here);
    }
}
