//! The terminal in full-screen use: taken over, and given back on every way out.
//!
//! A panic gives it back by a hook, a signal by a flag that the main loop looks at, because neither
//! may leave a person with a dead keyboard. Only a KILL cannot be helped.

use std::io::{self, Stdout, stdin, stdout};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use mptcpize_model::top::Key;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As any.
    Plain,
    /// Bold.
    Bold,
    /// Dim.
    Dim,
    /// In a colour of the terminal's palette.
    Green,
}

/// The terminal, ours as long as this lives.
pub struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes it over.
    ///
    /// # Errors
    /// Standard output is no terminal, or refuses.
    pub fn open() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        enable_raw_mode()?;
        // From here on dropping it restores what was.
        let mut screen = Screen(Terminal::new(CrosstermBackend::new(stdout()))?);
        execute!(stdout(), EnterAlternateScreen)?;
        screen.0.hide_cursor()?;
        screen.0.clear()?;
        Ok(screen)
    }

    /// Columns and lines.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn size(&self) -> io::Result<(usize, usize)> {
        let size = self.0.size()?;
        Ok((size.width.into(), size.height.into()))
    }

    /// Shows a frame; only what changed is written.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: &[Vec<(String, Look)>]) -> io::Result<()> {
        self.0.draw(|frame| {
            let area = frame.area();
            let buffer = frame.buffer_mut();
            for (y, line) in (area.top()..area.bottom()).zip(lines) {
                let spans =
                    line.iter().map(|(text, look)| Span::styled(text.as_str(), style(*look)));
                let line = Line::from(spans.collect::<Vec<_>>());
                buffer.set_line(area.left(), y, &line, area.width);
            }
        })?;
        Ok(())
    }

    /// The keys that were pressed and are waiting.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn keys(&self) -> io::Result<Vec<Key>> {
        let mut keys = Vec::new();
        // crossterm would wait for ever for the next byte of a terminal that is gone.
        while !is_gone() && event::poll(std::time::Duration::ZERO)? {
            if let Event::Key(pressed) = event::read()?
                && pressed.kind != KeyEventKind::Release
            {
                let control = pressed.modifiers.contains(KeyModifiers::CONTROL);
                keys.extend(match pressed.code {
                    KeyCode::Char('c') if control => Some(Key::Interrupt),
                    KeyCode::Char(letter) if !control => Some(Key::Letter(letter)),
                    KeyCode::Enter => Some(Key::Enter),
                    KeyCode::Esc => Some(Key::Escape),
                    KeyCode::Backspace => Some(Key::Backspace),
                    KeyCode::Up => Some(Key::Up),
                    KeyCode::Down => Some(Key::Down),
                    _ => None,
                });
            }
        }
        match is_gone() {
            true => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone")),
            false => Ok(keys),
        }
    }
}

/// Did the terminal hang up?
fn is_gone() -> bool {
    let input = stdin();
    let mut ready = [PollFd::new(&input, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut ready, Some(&at_once)).is_ok()
        && ready[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. Harmless when it is not ours.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

fn style(look: Look) -> Style {
    match look {
        Look::Plain => Style::new(),
        Look::Bold => Style::new().add_modifier(Modifier::BOLD),
        Look::Dim => Style::new().add_modifier(Modifier::DIM),
        Look::Green => Style::new().fg(Color::Green),
    }
}
