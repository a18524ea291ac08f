package org.loupe.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.Writer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.loupe.io.Provenance;
import org.loupe.train.ConfigReader;
import picocli.CommandLine;

/** The surface of the command line. */
final class LoupeTest {
    /** Every command and subcommand as the words that call it. */
    private static List<String> commands(CommandLine root, String words) {
        List<String> all = new ArrayList<>();
        root.getSubcommands().forEach((name, command) -> {
            String path = (words + " " + name).strip();
            all.add(path);
            all.addAll(commands(command, path));
        });
        return all;
    }

    @Test
    void everyCommandHasHelpWithAnExampleThatNamesIt() {
        for (String command : commands(new CommandLine(new Loupe()), "")) {
            List<Object> args = new ArrayList<>(List.of((Object[]) command.split(" ")));
            args.add("--help");
            Cli help = Cli.run(args.toArray());
            assertEquals(0, help.code(), command);
            assertTrue(help.out().contains("Example:"), command);
            assertTrue(help.out().contains("  loupe " + command), command + ":\n" + help.out());
        }
    }

    @Test
    void trainHelpListsEveryKeyWithASentence() {
        String help = Cli.run("train", "--help").out();
        for (ConfigReader.Key key : ConfigReader.keys()) {
            assertTrue(help.contains("  " + key.name() + " = "), key.name());
            assertTrue(!key.about().isBlank(), key.name());
        }
    }

    @Test
    void versionIsTheOneThatFilesCarry() {
        assertEquals("loupe " + Provenance.VERSION, Cli.run("--version").out().strip());
    }

    @Test
    void anErrorOfTheMachineIsOneLineToo() {
        PrintWriter full = new PrintWriter(Writer.nullWriter()) {
            @Override
            public void write(String text, int from, int length) {
                throw new OutOfMemoryError("Java heap space");
            }
        };
        StringWriter err = new StringWriter();
        assertEquals(Faults.FAILED, Loupe.run(full, new PrintWriter(err, true), "--version"));
        assertEquals(
                "loupe: failed with java.lang.OutOfMemoryError: Java heap space (--stacktrace tells where)",
                err.toString().strip());
    }

    @Test
    void theDemoTrainsWithTheThreadsGiven() {
        assertEquals(3, DemoPlan.SMALL.train(3).threads());
    }

    @Test
    void aMistypedCommandNamesTheNearest() {
        Cli cli = Cli.run("trian", "--store", "x");
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("unknown command 'trian'; did you mean 'train'?"), cli.err());
        assertEquals(1, cli.err().lines().count(), cli.err());
    }

    @Test
    void aMistypedOptionNamesTheNearest() {
        Cli cli = Cli.run("train", "--stoer=x", "--data", "y", "--out", "z");
        assertEquals(2, cli.code());
        assertTrue(cli.err().contains("unknown option '--stoer'; did you mean '--store'?"), cli.err());
        assertEquals(1, cli.err().lines().count(), cli.err());
    }

    @Test
    void noCommandShowsTheHelp() {
        Cli cli = Cli.run();
        assertEquals(0, cli.code());
        assertTrue(cli.out().contains("loupe demo"), cli.out());
    }
}
