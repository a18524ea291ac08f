package org.loupe.app;

import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;
import org.loupe.io.BadInput;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.IParameterExceptionHandler;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/** Turns what went wrong into one line on the error stream and an exit code. */
final class Faults implements IParameterExceptionHandler, IExecutionExceptionHandler {
    static final int FAILED = 1;
    static final int BAD_INPUT = 2;

    private final BooleanSupplier stacktrace;

    Faults(BooleanSupplier stacktrace) {
        this.stacktrace = stacktrace;
    }

    @Override
    public int handleParseException(ParameterException e, String[] args) {
        CommandLine command = e.getCommandLine();
        String message = e instanceof UnmatchedArgumentException unmatched
                ? unmatched(unmatched.getUnmatched().getFirst(), command)
                : oneLine(e.getMessage());
        print(command.getErr(), message + " (see " + command.getCommandSpec().qualifiedName() + " --help)", e);
        return BAD_INPUT;
    }

    @Override
    public int handleExecutionException(Exception e, CommandLine command, ParseResult parsed) {
        return switch (e) {
            case ParameterException wrong -> handleParseException(wrong, new String[0]);
            case BadInput bad -> {
                print(command.getErr(), oneLine(bad.getMessage()), bad);
                yield BAD_INPUT;
            }
            case UncheckedIOException disk -> {
                print(command.getErr(), oneLine(disk.getMessage()), disk);
                yield FAILED;
            }
            default -> failed(command.getErr(), e);
        };
    }

    /** What nobody expected. */
    int failed(PrintWriter err, Throwable e) {
        print(err, "failed with " + oneLine(e.toString()) + " (--stacktrace tells where)", e);
        return FAILED;
    }

    private static String unmatched(String word, CommandLine command) {
        List<String> known = new ArrayList<>();
        boolean option = word.startsWith("-");
        if (option) {
            command.getCommandSpec().options().stream()
                    .filter(o -> !o.hidden())
                    .forEach(o -> known.add(o.longestName()));
        } else {
            known.addAll(command.getSubcommands().keySet());
        }
        if (known.isEmpty()) {
            return "unexpected argument '" + word + "'";
        }
        String name = option && word.contains("=") ? word.substring(0, word.indexOf('=')) : word;
        return oneLine(
                BadInput.unknown(option ? "option" : "command", name, known).getMessage());
    }

    private void print(PrintWriter err, String message, Throwable e) {
        err.println("loupe: " + message);
        if (stacktrace.getAsBoolean()) {
            e.printStackTrace(err);
        }
        err.flush();
    }

    private static String oneLine(@Nullable String message) {
        return String.join(
                " ", String.valueOf(message).lines().map(String::strip).toList());
    }
}
