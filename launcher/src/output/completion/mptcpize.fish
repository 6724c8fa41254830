# fish completion for mptcpize. It asks mptcpize itself, so new options need no new script.

function __mptcpize_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l answer ($words[1] complete -- $words[2..-1] 2>/dev/null)
    switch "$answer[1]"
        case 'program *'
            __fish_complete_subcommand --fcs-skip=(string replace 'program ' '' -- $answer[1])
        case files
            __fish_complete_path (commandline -ct)
        case directories
            __fish_complete_directories (commandline -ct)
        case '*'
            string join \n -- $answer[2..-1]
    end
end

complete -c mptcpize -f -a '(__mptcpize_complete)'
