package org.loupe.app;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import org.loupe.io.Provenance;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command line: {@code loupe COMMAND …}. Exit codes: 0 done, 1 a failure while running, 2 bad input, 130 interrupted. */
@Command(
        name = "loupe",
        description = "Sparse autoencoders on language models: harvest, train, evaluate, look.",
        version = "loupe " + Provenance.VERSION,
        mixinStandardHelpOptions = true,
        synopsisSubcommandLabel = "COMMAND",
        subcommands = {
            DemoCommand.class,
            ModelCommand.class,
            HarvestCommand.class,
            SynthCommand.class,
            TrainCommand.class,
            JacobianCommand.class,
            EvalCommand.class,
            IndexCommand.class,
            ExploreCommand.class,
            AttributeCommand.class,
            TraceCommand.class,
            EncodeCommand.class,
            DecodeCommand.class,
            AblateCommand.class,
            SteerCommand.class,
            ExperimentCommand.class,
            InfoCommand.class,
            BenchCommand.class
        },
        commandListHeading = "%n",
        footerHeading = "%n",
        footer = {
            "Start here:",
            "  loupe demo             the whole way on a small model, then a web page",
            "  loupe COMMAND --help   what a command does, with an example"
        })
public final class Loupe implements Runnable {
    @Spec
    private CommandLine.Model.CommandSpec spec = CommandLine.Model.CommandSpec.create();

    @Option(
            names = "--stacktrace",
            scope = ScopeType.INHERIT,
            description = "On a failure print where in the program it happened.")
    private boolean stacktrace;

    public static void main(String[] args) {
        ErrorStream.restore();
        Interrupts.install();
        int code = run(
                new PrintWriter(System.out, true, StandardCharsets.UTF_8),
                new PrintWriter(System.err, true, StandardCharsets.UTF_8),
                args);
        Interrupts.exit(code);
    }

    /** Runs one command line and returns its exit code. Results go to {@code out}, progress and faults to {@code err}. */
    static int run(PrintWriter out, PrintWriter err, String... args) {
        Loupe root = new Loupe();
        Faults faults = new Faults(() -> root.stacktrace || System.getenv("LOUPE_STACKTRACE") != null);
        try {
            return new CommandLine(root)
                    .setOut(out)
                    .setErr(err)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .setUsageHelpWidth(100)
                    .setParameterExceptionHandler(faults)
                    .setExecutionExceptionHandler(faults)
                    .execute(args);
        } catch (Throwable e) { // picocli hands on exceptions alone: not a lack of memory, nor of a native library
            return faults.failed(err, e);
        }
    }

    @Override
    public void run() {
        spec.commandLine().usage(spec.commandLine().getOut());
    }
}
